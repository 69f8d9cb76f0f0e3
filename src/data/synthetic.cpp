// SPDX-License-Identifier: Apache-2.0
#include "data/synthetic.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <numbers>
#include <vector>

#include "base/error.hpp"
#include "base/random.hpp"

namespace msn {

namespace {

constexpr std::string_view prefix = "synthetic:";
constexpr double pi = std::numbers::pi;
constexpr double most_turn = pi / 10;

struct Point {
  double x;
  double y;
};

double length_of(Point p) {
  return std::sqrt(p.x * p.x + p.y * p.y);
}

struct Rotation {
  double cosine = 1;
  double sine = 0;
  Point operator()(Point p) const { return {cosine * p.x - sine * p.y, sine * p.x + cosine * p.y}; }
};

/// A turn by at most `most` radians either way.
Rotation draw_rotation(RandomStream& random, double most) {
  const double angle = random.uniform(-most, most);
  return {std::cos(angle), std::sin(angle)};
}

// Each shape fills about the unit disc around the origin. They differ in what a few patches can show, and some only in
// their direction: the copies are turned by a little only.
bool in_bars(Point p) {
  const double y = std::abs(p.y);
  return std::abs(p.x) < 0.85 && (y < 0.19 || (y > 0.52 && y < 0.9));
}
bool in_checker(Point p) {
  return std::max(std::abs(p.x), std::abs(p.y)) < 0.85 && p.x * p.y > 0;
}
bool in_cross(Point p) {
  const double x = std::abs(p.x), y = std::abs(p.y);
  return (x < 0.25 && y < 0.95) || (y < 0.25 && x < 0.95);
}
bool in_disc(Point p) {
  return length_of(p) < 0.85;
}
bool in_dots(Point p) {
  return length_of({std::abs(p.x) - 0.55, std::abs(p.y) - 0.55}) < 0.34;
}
bool in_frame(Point p) {
  const double far = std::max(std::abs(p.x), std::abs(p.y));
  return far > 0.5 && far < 0.85;
}
bool in_pillars(Point p) {
  return in_bars({p.y, p.x});
}
bool in_ring(Point p) {
  const double r = length_of(p);
  return r > 0.55 && r < 0.95;
}
bool in_saltire(Point p) {
  constexpr double half = 0.7071;
  return in_cross({half * (p.x - p.y), half * (p.x + p.y)});
}
bool in_triangle(Point p) {
  return std::max({p.y, 0.866 * p.x - 0.5 * p.y, -0.866 * p.x - 0.5 * p.y}) < 0.5;
}

struct Shape {
  const char* name;
  bool (*contains)(Point);
};
constexpr std::array<Shape, 10> shapes{{{"bars", in_bars},
                                        {"checker", in_checker},
                                        {"cross", in_cross},
                                        {"disc", in_disc},
                                        {"dots", in_dots},
                                        {"frame", in_frame},
                                        {"pillars", in_pillars},
                                        {"ring", in_ring},
                                        {"saltire", in_saltire},
                                        {"triangle", in_triangle}}};

struct Colour {
  double r, g, b;
};

/// A colour of a given luma, hue (an angle in the plane of Cr and Cb) and strength of tint in levels.
Colour make_colour(double luma, double hue, double tint) {
  const double cr = tint * std::cos(hue), cb = tint * std::sin(hue);
  return {luma + 1.4 * cr, luma - 0.71 * cr - 0.34 * cb, luma + 1.77 * cb};
}

/// A soft wave over the surface of a thing: how much lighter it is at a place in [0, 1]^2.
struct Texture {
  double frequency, phase, strength;
  Rotation rotation;
  double at(Point p) const { return strength * std::sin(2 * pi * frequency * rotation(p).x + phase); }
};

Texture draw_texture(RandomStream& random, double strongest) {
  const Rotation rotation = draw_rotation(random, pi);
  return {random.uniform(0.3, 4.0), random.uniform(0, 2 * pi), random.uniform(0, strongest), rotation};
}

/// One copy of the picture's shape.
struct Motif {
  Point centre;
  double radius;
  Rotation turn;
  double squeeze;
  Colour colour;
  Texture texture;
  bool contains(bool (*shape)(Point), Point p) const {
    const Point near{(p.x - centre.x) / radius, (p.y - centre.y) / radius};
    if (std::max(std::abs(near.x), std::abs(near.y)) > 1.5) return false;  // No shape reaches so far: saves the rest.
    const Point own = turn(near);
    return shape({own.x * squeeze, own.y / squeeze});
  }
};

/// A copy lighter or darker than the ground by 40 to 80 levels, with a weak tint of about the picture's hue.
Motif draw_motif(RandomStream& random, double ground_luma, bool lighter, double hue, Point centre) {
  Motif motif;
  motif.centre = centre;
  motif.radius = random.uniform(0.14, 0.2);
  motif.turn = draw_rotation(random, most_turn);
  motif.squeeze = std::exp2(random.uniform(-0.25, 0.25));
  const double contrast = random.uniform(40, 80);
  motif.colour = make_colour(ground_luma + (lighter ? contrast : -contrast), hue + random.uniform(-0.8, 0.8),
                             random.uniform(5, 14));
  motif.texture = draw_texture(random, 12);
  return motif;
}

/// Noise of mean 0 and deviation 1: the sum of the four bytes of one random number, near enough to normal.
double draw_noise(RandomStream& random) {
  const std::uint32_t bits = random.next_u32();
  const std::uint32_t sum = (bits & 255) + (bits >> 8 & 255) + (bits >> 16 & 255) + (bits >> 24);
  return (sum - 510.0) / 147.8;
}

std::uint8_t to_level(double value) {
  return static_cast<std::uint8_t>(std::clamp(std::nearbyint(value), 0.0, 255.0));
}

std::uint64_t parse_number(std::string_view text, std::uint64_t low, std::uint64_t high, std::string_view input) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < low || value > high) {
    throw usage_error(
        "\"" + std::string(text) + "\" is no whole number from " + std::to_string(low) + " to " + std::to_string(high),
        std::string(input));
  }
  return value;
}

}  // namespace

bool is_synthetic(std::string_view input) {
  return input.starts_with(prefix);
}

SyntheticSpec parse_synthetic(std::string_view input) {
  const std::string_view whole = input.substr(prefix.size());
  const std::string_view kind = whole.substr(0, whole.find('?'));
  const std::string example = "write for instance synthetic:shapes?images=6000&size=32&seed=1";
  if (kind != "shapes") throw usage_error("no such generator", std::string(input), example);
  SyntheticSpec spec;
  std::string_view rest = kind.size() == whole.size() ? std::string_view{} : whole.substr(kind.size() + 1);
  while (!rest.empty()) {
    const std::string_view option = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), option.size() + 1));
    const std::string_view key = option.substr(0, option.find('='));
    const std::string_view value = option.substr(std::min(option.size(), key.size() + 1));
    if (key == "images") {
      spec.images = parse_number(value, 1, std::uint64_t{1} << 32, input);
    } else if (key == "size") {
      spec.size = static_cast<int>(parse_number(value, 8, 4096, input));
    } else if (key == "seed") {
      spec.seed = parse_number(value, 0, ~std::uint64_t{0}, input);
    } else {
      throw usage_error("unknown option \"" + std::string(key) + "\" of the generator", std::string(input), example);
    }
  }
  return spec;
}

const std::vector<std::string>& synthetic_classes() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out;
    for (const Shape& shape : shapes)
      out.emplace_back(shape.name);
    return out;
  }();
  return names;
}

// Every ten pictures hold every class once, in an order that moves on: each n-th picture has all classes too.
int synthetic_label(std::uint64_t index) {
  return static_cast<int>((index + index / shapes.size()) % shapes.size());
}

std::string synthetic_name(std::uint64_t index) {
  char number[32];
  std::snprintf(number, sizeof number, "/%06llu.jpg", static_cast<unsigned long long>(index));
  return shapes[static_cast<std::size_t>(synthetic_label(index))].name + std::string(number);
}

// Copies of one shape on a grid that is turned and shifted at random, each with its own size, angle and colour: every
// crop of the picture shows the shape. A class leans to a hue, as things in the world do, and neighbouring
// classes overlap in it; brightness, which tells nothing, varies far more and rules the distances between pixels.
Image draw_synthetic(const SyntheticSpec& spec, std::uint64_t index) {
  RandomStream random(spec.seed, 0, index, 0, Purpose::generator);
  const int label = synthetic_label(index);
  const Shape& shape = shapes[static_cast<std::size_t>(label)];
  const double ground_luma = random.uniform(70, 186);
  const double hue = 2 * pi * (label + random.uniform(-0.7, 0.7)) / shapes.size();
  const Colour ground = make_colour(ground_luma, random.uniform(0, 2 * pi), random.uniform(0, 5));
  const Texture ground_texture = draw_texture(random, 5);
  const Rotation turn = draw_rotation(random, most_turn);
  const Point shift{random.uniform(), random.uniform()};

  constexpr double noise = 4;
  constexpr double spacing = 0.4;
  std::vector<Motif> motifs;
  for (int row = -3; row <= 3; ++row) {
    for (int column = -3; column <= 3; ++column) {
      const Point offset = turn({(column + shift.x) * spacing, (row + shift.y) * spacing});
      const Point centre{0.5 + offset.x + random.uniform(-0.05, 0.05), 0.5 + offset.y + random.uniform(-0.05, 0.05)};
      motifs.push_back(draw_motif(random, ground_luma, (row + column) % 2 == 0, hue, centre));
    }
  }
  std::erase_if(motifs, [](const Motif& m) {
    const Point c{std::abs(m.centre.x - 0.5), std::abs(m.centre.y - 0.5)};
    return std::max(c.x, c.y) > 0.5 + m.radius;
  });

  constexpr int fine = 3;  // Samples a pixel and axis, for smooth edges.
  Image image{spec.size, spec.size, {}};
  image.rgb.reserve(std::size_t{3} * static_cast<std::size_t>(spec.size) * static_cast<std::size_t>(spec.size));
  for (int y = 0; y < spec.size; ++y) {
    for (int x = 0; x < spec.size; ++x) {
      const Point place{(x + 0.5) / spec.size, (y + 0.5) / spec.size};
      const double lighter = ground_texture.at(place);
      Colour pixel{ground.r + lighter, ground.g + lighter, ground.b + lighter};
      for (const Motif& motif : motifs) {
        int inside = 0;
        for (int i = 0; i < fine * fine; ++i) {
          const Point p{(x + (i % fine + 0.5) / fine) / spec.size, (y + (i / fine + 0.5) / fine) / spec.size};
          inside += motif.contains(shape.contains, p);
        }
        if (inside == 0) continue;
        const double share = inside / static_cast<double>(fine * fine);
        const double light = motif.texture.at(place);
        pixel.r += share * (motif.colour.r + light - pixel.r);
        pixel.g += share * (motif.colour.g + light - pixel.g);
        pixel.b += share * (motif.colour.b + light - pixel.b);
      }
      for (const double value : {pixel.r, pixel.g, pixel.b})
        image.rgb.push_back(to_level(value + noise * draw_noise(random)));
    }
  }
  return image;
}

}  // namespace msn
