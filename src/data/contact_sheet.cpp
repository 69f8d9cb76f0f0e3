// SPDX-License-Identifier: Apache-2.0
#include "data/contact_sheet.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "data/decode.hpp"
#include "data/draw_text.hpp"
#include "data/resize.hpp"

namespace msn {

namespace {

constexpr int margin = 8;
constexpr int least_width = 720;     ///< Of a row's content: room for text.
constexpr int widest_flow = 1880;    ///< Tiles flow to the next line beyond it.
constexpr std::uint8_t paper = 255;  ///< Of all three colours.
constexpr Colour ink{0, 0, 0};
constexpr Colour faint_ink{110, 110, 110};
constexpr Colour veil{70, 80, 130};  ///< Over a quarter of the contrast: told apart in dark, bright and grey pictures.

int cell_width(const SheetTile& tile) {
  return std::max(tile.image.width, static_cast<int>(tile.caption.size()) * text_advance) + margin;
}

int cell_height(const SheetTile& tile) {
  return tile.image.height + text_line + margin / 2;
}

/// Where a tile of a row goes, from the row's top left corner.
struct Spot {
  int left = 0;
  int top = 0;
};

struct RowLayout {
  std::vector<Spot> spots;
  std::vector<std::string> lines;
  int text_top = 0;
  int height = 0;
};

RowLayout lay_out(const SheetRow& row, int width) {
  RowLayout layout;
  int left = 0, top = 0, line_height = 0;
  for (const SheetTile& tile : row.tiles) {
    if (left > 0 && left + cell_width(tile) - margin > width) {
      left = 0;
      top += line_height;
      line_height = 0;
    }
    layout.spots.push_back({left, top});
    left += cell_width(tile);
    line_height = std::max(line_height, cell_height(tile));
  }
  layout.text_top = top + line_height;
  for (const std::string& line : row.lines) {
    const auto wrapped = wrap_text(line, static_cast<std::size_t>(width / text_advance));
    layout.lines.insert(layout.lines.end(), wrapped.begin(), wrapped.end());
  }
  layout.height = layout.text_top + static_cast<int>(layout.lines.size()) * text_line;
  return layout;
}

int content_width(const std::vector<SheetRow>& rows) {
  int width = least_width;
  for (const SheetRow& row : rows) {
    int sum = -margin;
    for (const SheetTile& tile : row.tiles) {
      width = std::max(width, cell_width(tile) - margin);
      sum += cell_width(tile);
    }
    width = std::max(width, std::min(sum, widest_flow));
  }
  return width;
}

void paste(Image& sheet, const Image& image, int left, int top) {
  for (int y = 0; y < image.height; ++y) {
    const auto from = image.rgb.begin() + static_cast<std::ptrdiff_t>(3) * y * image.width;
    const auto to = sheet.rgb.begin() + 3 * (static_cast<std::ptrdiff_t>(top + y) * sheet.width + left);
    std::copy_n(from, 3 * image.width, to);
  }
}

void draw_row(Image& sheet, const SheetRow& row, const RowLayout& layout, int top) {
  for (std::size_t i = 0; i < row.tiles.size(); ++i) {
    const SheetTile& tile = row.tiles[i];
    const int tile_left = margin + layout.spots[i].left;
    const int tile_top = top + layout.spots[i].top;
    paste(sheet, tile.image, tile_left, tile_top);
    draw_text(sheet, tile_left, tile_top + tile.image.height + 2, tile.caption, faint_ink);
  }
  int line_top = top + layout.text_top;
  for (const std::string& line : layout.lines) {
    draw_text(sheet, margin, line_top, line, ink);
    line_top += text_line;
  }
}

}  // namespace

Image enlarge(const Image& image, int factor) {
  MSN_CHECK(factor >= 1);
  Image out{image.width * factor, image.height * factor, {}};
  out.rgb.reserve(image.rgb.size() * static_cast<std::size_t>(factor) * static_cast<std::size_t>(factor));
  for (int y = 0; y < out.height; ++y) {
    const std::uint8_t* row = image.rgb.data() + static_cast<std::ptrdiff_t>(3) * (y / factor) * image.width;
    for (int x = 0; x < out.width; ++x) {
      const std::uint8_t* pixel = row + static_cast<std::ptrdiff_t>(3) * (x / factor);
      out.rgb.insert(out.rgb.end(), pixel, pixel + 3);
    }
  }
  return out;
}

Image fit_into(const Image& image, int side) {
  const int longest = std::max(image.width, image.height);
  if (longest <= side) return enlarge(image, side / longest);
  const auto shrunk = [&](int length) {
    return std::max(1, static_cast<int>(static_cast<std::int64_t>(length) * side / longest));
  };
  const ResizeTo to{shrunk(image.width), shrunk(image.height), Interpolation::bilinear, ResizeOrder::horizontal, false};
  return to_image(resized_crop(image, {0, 0, image.height, image.width}, to));
}

void dim_outside_patches(Image& view, int patch, std::span<const std::int64_t> kept) {
  const int columns = view.width / patch;
  const int rows = view.height / patch;
  std::vector<bool> is_kept(static_cast<std::size_t>(columns) * static_cast<std::size_t>(rows));
  for (const std::int64_t index : kept)
    is_kept.at(static_cast<std::size_t>(index)) = true;
  std::uint8_t* level = view.rgb.data();
  for (int y = 0; y < view.height; ++y) {
    for (int x = 0; x < view.width; ++x, level += 3) {
      const int column = x / patch, row = y / patch;
      if (column < columns && row < rows && is_kept[static_cast<std::size_t>(row * columns + column)]) continue;
      for (std::size_t c = 0; c < 3; ++c)
        level[c] = static_cast<std::uint8_t>(veil[c] + level[c] / 4);
    }
  }
}

Image draw_contact_sheet(const std::vector<SheetRow>& rows) {
  const int width = content_width(rows);
  std::vector<RowLayout> layouts;
  std::uint64_t height = margin;
  for (const SheetRow& row : rows) {
    layouts.push_back(lay_out(row, width));
    height += static_cast<std::uint64_t>(layouts.back().height + 2 * margin);
  }
  const int sheet_width = width + 2 * margin;
  if (height * static_cast<std::uint64_t>(sheet_width) > max_image_pixels) {
    throw usage_error(
        "the sheet would have " + std::to_string(sheet_width) + " x " + std::to_string(height) + " pixels", "",
        "show fewer images");
  }
  Image sheet{sheet_width, static_cast<int>(height),
              std::vector<std::uint8_t>(3 * height * static_cast<std::uint64_t>(sheet_width), paper)};
  int top = margin;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    draw_row(sheet, rows[i], layouts[i], top);
    top += layouts[i].height + 2 * margin;
  }
  return sheet;
}

}  // namespace msn
