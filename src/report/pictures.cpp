// SPDX-License-Identifier: Apache-2.0
#include "report/pictures.hpp"

#include "data/encode.hpp"
#include "report/html.hpp"

namespace msn {
namespace {

using html::escape;

constexpr int kQualities[] = {88, 75, 55, 35, 15, 5};

/// Every image as base64 of a JPEG file, in order, and how much they take together.
struct EncodedTiles {
  std::vector<std::string> texts;
  std::size_t bytes = 0;
};

EncodedTiles encode(const RunPictures& pictures, int quality) {
  EncodedTiles encoded;
  for (const PictureSection& section : pictures.sections) {
    for (const PictureRow& row : section.rows) {
      for (const PictureTile& tile : row.tiles) {
        encoded.texts.push_back(html::base64(encode_jpeg(tile.image, quality)));
        encoded.bytes += encoded.texts.back().size();
      }
    }
  }
  return encoded;
}

std::string tile_html(const PictureTile& tile, const std::string& data) {
  return "<figure class=\"tile\" style=\"width:" + std::to_string(tile.image.width) + "px\"><img width=\"" +
         std::to_string(tile.image.width) + "\" height=\"" + std::to_string(tile.image.height) + "\" alt=\"" +
         escape(tile.alt) + "\" src=\"data:image/jpeg;base64," + data + "\"><figcaption>" + escape(tile.caption) +
         "</figcaption></figure>";
}

}  // namespace

std::string pictures_html(const RunPictures& pictures, std::size_t most_bytes) {
  EncodedTiles encoded;
  for (const int quality : kQualities) {
    encoded = encode(pictures, quality);
    if (encoded.bytes <= most_bytes) break;
  }
  std::string out;
  for (const std::string& note : pictures.notes)
    out += "<p>" + escape(note) + "</p>\n";
  std::size_t next = 0;
  for (const PictureSection& section : pictures.sections) {
    out += "<h4>" + escape(section.title) + "</h4>\n<p class=\"small\">" + escape(section.says) + "</p>\n";
    for (const PictureRow& row : section.rows) {
      out += "<p class=\"row\">" + escape(row.heading) + "</p>\n<div class=\"tiles\">";
      for (const PictureTile& tile : row.tiles)
        out += tile_html(tile, encoded.texts[next++]);
      out += "</div>\n";
      if (row.details.empty()) continue;
      out += "<details><summary>Details</summary><ul class=\"log\">";
      for (const std::string& line : row.details)
        out += "<li>" + escape(line) + "</li>";
      out += "</ul></details>\n";
    }
  }
  return out;
}

}  // namespace msn
