// SPDX-License-Identifier: Apache-2.0
#include "data/synthetic.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <numbers>

#include "base/error.hpp"
#include "base/random.hpp"

namespace msn {

namespace {

constexpr std::string_view prefix = "synthetic:";
constexpr double pi = std::numbers::pi;

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

Rotation draw_rotation(RandomStream& random) {
  const double angle = random.uniform(0, 2 * pi);
  return {std::cos(angle), std::sin(angle)};
}

// Each shape fills about the unit disc around the origin.
bool in_bars(Point p) {
  const double y = std::abs(p.y);
  return std::abs(p.x) < 0.85 && (y < 0.19 || (y > 0.5 && y < 0.88));
}
bool in_bow_tie(Point p) {
  return std::abs(p.x) < 0.85 && std::abs(p.y) < 0.08 + 0.85 * std::abs(p.x);
}
bool in_crescent(Point p) {
  return length_of(p) < 0.95 && length_of({p.x - 0.45, p.y}) > 0.7;
}
bool in_cross(Point p) {
  const double x = std::abs(p.x), y = std::abs(p.y);
  return (x < 0.27 && y < 0.95) || (y < 0.27 && x < 0.95);
}
bool in_disc(Point p) {
  return length_of(p) < 0.85;
}
bool in_heart(Point p) {
  const double x = 1.2 * p.x, y = 0.1 - 1.2 * p.y;
  const double round = x * x + y * y - 1;
  return round * round * round < x * x * y * y * y;
}
bool in_ring(Point p) {
  const double r = length_of(p);
  return r > 0.52 && r < 0.93;
}
bool in_square(Point p) {
  return std::max(std::abs(p.x), std::abs(p.y)) < 0.74;
}
bool in_star(Point p) {
  // Five points: the angle folded onto half a point, then one straight edge from the tip (1) to the notch (0.42).
  constexpr double half = pi / 5;
  const double folded = std::abs(std::fmod(std::atan2(p.y, p.x) + 2 * pi, 2 * half) - half);
  const double r = length_of(p);
  const Point tip{std::cos(half), std::sin(half)};
  constexpr Point notch{0.42, 0};
  const Point q{r * std::cos(folded), r * std::sin(folded)};
  return (tip.x - notch.x) * (q.y - notch.y) - (tip.y - notch.y) * (q.x - notch.x) > 0;
}
bool in_triangle(Point p) {
  return std::max({p.y, 0.866 * p.x - 0.5 * p.y, -0.866 * p.x - 0.5 * p.y}) < 0.5;
}

struct Shape {
  const char* name;
  bool (*contains)(Point);
};
constexpr std::array<Shape, 10> shapes{{{"bars", in_bars},
                                        {"bow_tie", in_bow_tie},
                                        {"crescent", in_crescent},
                                        {"cross", in_cross},
                                        {"disc", in_disc},
                                        {"heart", in_heart},
                                        {"ring", in_ring},
                                        {"square", in_square},
                                        {"star", in_star},
                                        {"triangle", in_triangle}}};

struct Colour {
  double r, g, b;
};

/// A colour of a given luma with a random tint, weak because the colour jitter does not hide strong ones: pictures must
/// not be told apart by their hues.
Colour draw_colour(RandomStream& random, double luma) {
  const double angle = random.uniform(0, 2 * pi);
  const double tint = random.uniform(0, 25);
  const double cr = tint * std::cos(angle), cb = tint * std::sin(angle);
  return {luma + 1.4 * cr, luma - 0.71 * cr - 0.34 * cb, luma + 1.77 * cb};
}

/// Soft waves over the surface of a thing: how much lighter it is at a place in [0, 1]^2.
struct Texture {
  std::array<double, 2> frequency, phase, strength;
  std::array<Rotation, 2> rotation;
  double at(Point p) const {
    double sum = 0;
    for (std::size_t i = 0; i < 2; ++i) {
      sum += strength[i] * std::sin(2 * pi * frequency[i] * rotation[i](p).x + phase[i]);
    }
    return sum;
  }
};

Texture draw_texture(RandomStream& random) {
  Texture texture;
  const std::array<double, 2> slow{0.3, 2.5}, fast{1.0, 7.0};
  for (std::size_t i = 0; i < 2; ++i) {
    texture.frequency[i] = random.uniform(slow[i], fast[i]);
    texture.rotation[i] = draw_rotation(random);
    texture.phase[i] = random.uniform(0, 2 * pi);
    texture.strength[i] = random.uniform(0, i == 0 ? 34.0 : 16.0);
  }
  return texture;
}

/// A short stroke in the background.
struct Stroke {
  Point from, to;
  double width;
  double lighter;
  bool contains(Point p) const {
    const Point along{to.x - from.x, to.y - from.y};
    const double length = std::max(1e-9, along.x * along.x + along.y * along.y);
    const double t = std::clamp(((p.x - from.x) * along.x + (p.y - from.y) * along.y) / length, 0.0, 1.0);
    return length_of({p.x - from.x - t * along.x, p.y - from.y - t * along.y}) < width;
  }
};

Stroke draw_stroke(RandomStream& random) {
  const Point from{random.uniform(), random.uniform()};
  const double length = random.uniform(0.03, 0.35);
  const Point by = draw_rotation(random)({length, 0});
  return {from, {from.x + by.x, from.y + by.y}, random.uniform(0.015, 0.05), random.uniform(-60, 60)};
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
  const std::string example = "write for instance synthetic:shapes?images=6000&size=40&seed=1";
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

int synthetic_label(std::uint64_t index) {
  return static_cast<int>(index % shapes.size());
}

std::string synthetic_name(std::uint64_t index) {
  char number[32];
  std::snprintf(number, sizeof number, "/%06llu.jpg", static_cast<unsigned long long>(index));
  return shapes[static_cast<std::size_t>(synthetic_label(index))].name + std::string(number);
}

Image draw_synthetic(const SyntheticSpec& spec, std::uint64_t index) {
  RandomStream random(spec.seed, 0, index, 0, Purpose::generator);
  const Shape& shape = shapes[static_cast<std::size_t>(synthetic_label(index))];

  const double ground_luma = random.uniform(50, 205);
  // The shape is lighter or darker by at least 65 levels, either way as often as the range allows.
  const bool can_lighten = ground_luma + 65 < 225, can_darken = ground_luma - 65 > 30;
  const bool lighten = can_lighten && (!can_darken || random.chance(0.5));
  const double shape_luma = lighten ? random.uniform(ground_luma + 65, 225) : random.uniform(30, ground_luma - 65);
  const Colour ground = draw_colour(random, ground_luma);
  const Colour body = draw_colour(random, shape_luma);
  const Texture ground_texture = draw_texture(random);
  const Texture body_texture = draw_texture(random);
  std::vector<Stroke> clutter(2 + random.below(5));
  for (Stroke& stroke : clutter)
    stroke = draw_stroke(random);

  const double radius = random.uniform(0.24, 0.45);
  const double room = std::max(0.0, 0.5 - 0.8 * radius);
  const Point centre{0.5 + random.uniform(-room, room), 0.5 + random.uniform(-room, room)};
  const Rotation turn = draw_rotation(random);
  const double squeeze = std::exp2(random.uniform(-0.35, 0.35));
  const double noise = random.uniform(2, 9);

  constexpr int fine = 4;  // Samples a pixel and axis, for smooth edges.
  Image image{spec.size, spec.size, {}};
  image.rgb.reserve(std::size_t{3} * static_cast<std::size_t>(spec.size) * static_cast<std::size_t>(spec.size));
  for (int y = 0; y < spec.size; ++y) {
    for (int x = 0; x < spec.size; ++x) {
      const Point place{(x + 0.5) / spec.size, (y + 0.5) / spec.size};
      int inside = 0;
      for (int i = 0; i < fine * fine; ++i) {
        const Point p{(x + (i % fine + 0.5) / fine) / spec.size, (y + (i / fine + 0.5) / fine) / spec.size};
        const Point own = turn({(p.x - centre.x) / radius, (p.y - centre.y) / radius});
        inside += shape.contains({own.x * squeeze, own.y / squeeze});
      }
      const double share = inside / static_cast<double>(fine * fine);
      double lighter = ground_texture.at(place);
      for (const Stroke& stroke : clutter)
        lighter += stroke.contains(place) ? stroke.lighter : 0;
      lighter += share * (body_texture.at(place) - lighter);
      const auto mix = [&](double a, double b) {
        return to_level(a + share * (b - a) + lighter + noise * draw_noise(random));
      };
      image.rgb.push_back(mix(ground.r, body.r));
      image.rgb.push_back(mix(ground.g, body.g));
      image.rgb.push_back(mix(ground.b, body.b));
    }
  }
  return image;
}

}  // namespace msn
