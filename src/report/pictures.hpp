// SPDX-License-Identifier: Apache-2.0
// Pictures of a report: many small ones in rows, within the page itself, that wrap to any width.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "data/image.hpp"

namespace msn {

struct PictureTile {
  Image image;
  std::string caption;  ///< Stands below it.
  std::string alt;      ///< What it shows, for those who do not see it.
};

struct PictureRow {
  std::string heading;
  std::vector<PictureTile> tiles;
  std::vector<std::string> details;  ///< Lines that unfold below the tiles; may be empty.
};

struct PictureSection {
  std::string title;
  std::string says;
  std::vector<PictureRow> rows;
};

/// The pictures of one run.
struct RunPictures {
  std::vector<PictureSection> sections;
  std::vector<std::string> notes;  ///< Why something is not there, one sentence each.
};

/// As HTML. Images are JPEG files in it, of the best of some qualities at which all of them together take at most
/// `most_bytes` in the page; of the worst one if none does.
std::string pictures_html(const RunPictures& pictures, std::size_t most_bytes);

}  // namespace msn
