// SPDX-License-Identifier: Apache-2.0
// Names of images, from file systems, archives and lists that nobody vouches for.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace msn {

/// Longer names are refused: the names of a shard are stored at one width. Bytes.
inline constexpr std::size_t longest_name = 4096;

/// Plain ASCII: every other byte as \xHH.
std::string escape_bytes(std::string_view text);

/// Whether a file counts as an image by its name: .jpg, .jpeg or .png in any case.
bool has_image_ending(std::string_view name);

/// Whether a part of the path begins with a dot; such files are passed over.
bool is_hidden(std::string_view name);

/// A path inside an archive or list as a plain relative one: without "." parts, empty parts and leading slashes.
/// Nothing if it has a ".." part, which leads elsewhere, or is empty.
std::optional<std::string> plain_path(std::string_view path);

/// The first folder of a relative path; empty if it has none.
std::string_view first_folder(std::string_view name);

}  // namespace msn
