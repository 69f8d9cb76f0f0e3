// SPDX-License-Identifier: Apache-2.0
#include "data/tar.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>

#include "base/error.hpp"

namespace msn {

namespace {

using Block = std::array<std::byte, tar_block>;

constexpr std::uint64_t most_extension = std::uint64_t{1} << 20;  ///< Bytes of a long name or of pax records.
constexpr char copy_again[] = "it is damaged or cut off; copy or make it again";

/// A field of a header. POSIX.1-1988 gives the offsets.
std::string_view field(std::span<const std::byte> block, std::size_t at, std::size_t size) {
  return {reinterpret_cast<const char*>(block.data()) + at, size};
}

/// Up to the first zero byte.
std::string_view text(std::string_view raw) {
  return raw.substr(0, raw.find('\0'));
}

/// Octal digits between blanks and zeros, or GNU's form for large numbers: the first bit set, then big-endian.
std::optional<std::uint64_t> number(std::string_view raw) {
  if (!raw.empty() && (static_cast<unsigned char>(raw.front()) & 0x80) != 0) {
    std::uint64_t value = static_cast<unsigned char>(raw.front()) & 0x7f;
    for (const char c : raw.substr(1)) {
      if (value >> 55 != 0) return std::nullopt;  // Negative numbers end here too.
      value = value << 8 | static_cast<unsigned char>(c);
    }
    return value;
  }
  const std::size_t begin = std::min(raw.find_first_not_of(' '), raw.size());
  std::uint64_t value = 0;
  std::size_t end = begin;
  for (; end < raw.size() && raw[end] >= '0' && raw[end] <= '7'; ++end)
    value = value << 3 | static_cast<std::uint64_t>(raw[end] - '0');
  if (raw.find_first_not_of(std::string_view(" \0", 2), end) != std::string_view::npos) return std::nullopt;
  return value;
}

/// The sum of all bytes, those of the checksum itself taken as blanks. Some old programs added signed bytes.
bool has_right_checksum(std::span<const std::byte> block) {
  const std::optional<std::uint64_t> stated = number(field(block, 148, 8));
  if (!stated) return false;
  std::int64_t plain = 0, with_sign = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const auto byte = i >= 148 && i < 156 ? std::uint8_t{' '} : std::to_integer<std::uint8_t>(block[i]);
    plain += byte;
    with_sign += static_cast<std::int8_t>(byte);
  }
  return static_cast<std::int64_t>(*stated) == plain || static_cast<std::int64_t>(*stated) == with_sign;
}

bool is_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

/// What pax records and GNU's long names say of the member behind them.
struct Override {
  std::optional<std::string> name;
  std::optional<std::uint64_t> size;
};

class TarReader {
 public:
  TarReader(const FileHandle& file, TarRange range, const std::string& where)
      : file_(file), at_(range.begin), end_(range.end), where_(where) {}

  std::vector<TarMember> read() {
    std::vector<TarMember> members;
    Override next;
    for (;;) {
      header_at_ = at_;
      if (at_ == end_) throw broken("the tar ends without its end mark", copy_again);
      const Block block = read_block();
      if (is_zero(block)) break;
      if (!has_right_checksum(block)) throw broken("a tar header has a wrong checksum", copy_again);
      const std::uint64_t size = size_of(block, next);
      const char type = field(block, 156, 1).front();
      switch (type) {
        case 'L':  // The next member's name.
          next.name = std::string(text(read_extension(size)));
          continue;
        case 'K':  // The next link's target.
          read_extension(size);
          continue;
        case 'x':
          read_pax(read_extension(size), next);
          continue;
        case 'g': {  // For all that follow. Only a comment or times make sense here.
          Override all;
          read_pax(read_extension(size), all);
          if (all.name || all.size) throw broken("global pax records give a name or a size to every member", refused);
          continue;
        }
        default:
          break;
      }
      members.push_back(member(block, type, size, next));
      next = {};
    }
    check_tail();
    return members;
  }

 private:
  static constexpr char refused[] = "make the archive anew with GNU tar's default options or with --format=pax";

  Error broken(const std::string& what, const std::string& remedy) const {
    return data_error(what, where_ + ", byte " + std::to_string(header_at_), remedy);
  }

  Block read_block() {
    if (end_ - at_ < tar_block) throw broken("the tar is cut off inside a header", copy_again);
    Block block;
    file_.read_at(block, at_);
    at_ += tar_block;
    return block;
  }

  /// Moves past `size` bytes and their padding. The padding of the last member may be missing.
  void skip(std::uint64_t size) {
    const std::uint64_t left = end_ - at_;
    if (size > left) {
      throw broken("the tar is cut off: a member of " + std::to_string(size) + " bytes, of which " +
                       std::to_string(left) + " are there",
                   copy_again);
    }
    at_ += std::min(left, (size + tar_block - 1) / tar_block * tar_block);
  }

  std::uint64_t size_of(const Block& block, const Override& next) const {
    if (next.size) return *next.size;
    const std::optional<std::uint64_t> size = number(field(block, 124, 12));
    if (!size || *size >> 62 != 0) throw broken("a tar header has a size that is no number", copy_again);
    return *size;
  }

  std::string read_extension(std::uint64_t size) {
    if (size > most_extension) throw broken("a tar name or record of more than 1 MiB", refused);
    const std::uint64_t start = at_;
    skip(size);
    std::string content(size, '\0');
    file_.read_at(std::as_writable_bytes(std::span(content)), start);
    return content;
  }

  /// Records "LENGTH KEY=VALUE\n", where LENGTH counts the whole record.
  void read_pax(std::string_view records, Override& next) const {
    while (!records.empty()) {
      std::size_t length = 0;
      const auto [stop, error] = std::from_chars(records.data(), records.data() + records.size(), length);
      const auto digits = static_cast<std::size_t>(stop - records.data());
      if (error != std::errc{} || length < digits + 3 || length > records.size() || *stop != ' ' ||
          records[length - 1] != '\n') {
        throw broken("a damaged pax record", copy_again);
      }
      const std::string_view record = records.substr(digits + 1, length - digits - 2);
      records.remove_prefix(length);
      const std::size_t equals = record.find('=');
      if (equals == std::string_view::npos) throw broken("a damaged pax record", copy_again);
      const std::string_view key = record.substr(0, equals), value = record.substr(equals + 1);
      if (key.starts_with("GNU.sparse.")) throw broken("a sparse file in the tar", refused);
      if (key == "path") next.name = std::string(value);
      if (key == "size") {
        std::uint64_t size = 0;
        const auto [end, bad] = std::from_chars(value.data(), value.data() + value.size(), size);
        if (bad != std::errc{} || end != value.data() + value.size() || size >> 62 != 0) {
          throw broken("a pax size that is no number", copy_again);
        }
        next.size = size;
      }
    }
  }

  TarMember member(const Block& block, char type, std::uint64_t size, Override& next) {
    TarMember member;
    member.name = next.name ? std::move(*next.name) : header_name(block);
    switch (type) {
      case '0':
      case '\0':
      case '7':  // "Contiguous": an ordinary file.
        // The old form knows folders by the slash at the end of their names.
        member.kind = type == '\0' && member.name.ends_with('/') ? TarKind::folder : TarKind::file;
        break;
      case '1':
      case '2':
        member.kind = TarKind::link;
        break;
      case '3':
      case '4':
      case '6':
        member.kind = TarKind::special;
        break;
      case '5':
        member.kind = TarKind::folder;
        break;
      case 'S':
        throw broken("a sparse file in the tar", refused);
      default:
        throw broken("a tar member of the kind '" + std::string(1, type) + "', which is not read", refused);
    }
    member.offset = at_;
    // Only files have content here; other kinds may state a size that means something else.
    if (member.kind == TarKind::file) {
      member.size = size;
      skip(size);
    }
    return member;
  }

  static std::string header_name(const Block& block) {
    const std::string name(text(field(block, 0, 100)));
    const std::string_view prefix = text(field(block, 345, 155));
    // GNU's own form, "ustar" and two blanks, keeps other things in place of the prefix.
    const bool posix = field(block, 257, 6) == std::string_view("ustar\0", 6);
    return posix && !prefix.empty() ? std::string(prefix) + "/" + name : name;
  }

  /// Behind the first block of zeros there are only zeros: with a second archive behind the first, images would be
  /// lost.
  void check_tail() {
    std::vector<std::byte> piece(std::size_t{1} << 16);
    while (at_ < end_) {
      const auto now =
          std::span(piece).first(static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), end_ - at_)));
      header_at_ = at_;
      file_.read_at(now, at_);
      if (!is_zero(now)) {
        throw broken("there is more behind the end mark of the tar",
                     "archives that were put one behind the other: give each as an --input of its own");
      }
      at_ += now.size();
    }
  }

  const FileHandle& file_;
  std::uint64_t at_;
  std::uint64_t end_;
  std::uint64_t header_at_ = 0;  ///< Of the header being read, for errors.
  const std::string& where_;
};

}  // namespace

bool is_tar_header(std::span<const std::byte> block) {
  return block.size() >= tar_block && !is_zero(block.first(tar_block)) && has_right_checksum(block.first(tar_block));
}

std::vector<TarMember> list_tar(const FileHandle& file, TarRange range, const std::string& where) {
  return TarReader(file, range, where).read();
}

}  // namespace msn
