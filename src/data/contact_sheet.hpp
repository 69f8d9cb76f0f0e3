// SPDX-License-Identifier: Apache-2.0
// One large picture of many small ones, with text: what people look at to judge views.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/image.hpp"

namespace msn {

/// Every pixel as factor x factor pixels.
Image enlarge(const Image& image, int factor);

/// The whole image within side x side pixels, its shape kept: enlarged by the largest whole factor that fits, or
/// shrunk.
Image fit_into(const Image& image, int side);

/// Veils every pixel of a view that no patch of `kept` covers: patches of patch x patch pixels, numbered row by
/// row; pixels beyond the last whole patch belong to none.
void dim_outside_patches(Image& view, int patch, std::span<const std::int64_t> kept);

struct SheetTile {
  std::string caption;  ///< Short, printable ASCII; stands below the picture.
  Image image;
};

struct SheetRow {
  std::vector<SheetTile> tiles;
  std::vector<std::string> lines;  ///< Printable ASCII; each is wrapped to the width of the sheet.
};

/// Rows of tiles from the top, the text of each below it. Tiles that find no room in the width go on below. Throws
/// usage_error if the sheet would have more than max_image_pixels.
Image draw_contact_sheet(const std::vector<SheetRow>& rows);

}  // namespace msn
