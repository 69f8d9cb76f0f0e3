// SPDX-License-Identifier: Apache-2.0
// Text and bytes as parts of an HTML page.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace msn::html {

/// `text`, whoever wrote it, as the content of an element or of a quoted attribute: & < > " ' as entities. Control
/// characters (line breaks too), those that turn the direction of writing, and bytes that are not UTF-8 become U+FFFD.
std::string escape(std::string_view text);

/// A number for people, with so many significant digits: "1,284,100", "0.0123", "2.5e-05"; "-" for one that is not
/// finite.
std::string number(double value, int digits = 4);

std::string base64(std::span<const std::byte> bytes);

}  // namespace msn::html
