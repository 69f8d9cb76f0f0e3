// SPDX-License-Identifier: Apache-2.0
#include "base/plain_hdf5.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <deque>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "base/error.hpp"
#include "base/hdf5_messages.hpp"

namespace msn::h5 {

namespace {

static_assert(std::endian::native == std::endian::little, "values are read as they lie in the file");

constexpr std::uint64_t max_structure = std::uint64_t{1} << 24;  ///< Bytes of one header, node or heap.
constexpr std::size_t max_name = 1024;
constexpr int max_depth = 8;
constexpr std::uint64_t undefined = ~std::uint64_t{0};

/// Types of header messages.
enum Message : std::uint16_t {
  nil = 0x00,
  dataspace = 0x01,
  datatype = 0x03,
  old_fill_value = 0x04,
  fill_value = 0x05,
  external_files = 0x07,
  layout = 0x08,
  filters = 0x0b,
  attribute = 0x0c,
  comment = 0x0d,
  old_time = 0x0e,
  continuation = 0x10,
  symbol_table = 0x11,
  time_stamp = 0x12,
};

/// Where the tree and the names of a group are.
struct Group {
  std::uint64_t tree, heap;
};

/// What the messages of an object say.
struct Object {
  std::optional<Space> space;
  std::optional<Type> type;
  std::optional<Extent> storage;
  std::optional<Group> group;
};

template <class T>
void set_once(std::optional<T>& field, T value) {
  if (field) refuse("a header that says one thing twice");
  field = std::move(value);
}

class Reader {
 public:
  explicit Reader(const FileHandle& file) : file_(file), size_(file.size()), unread_(size_) {}

  PlainFile read() {
    try {
      read_object(read_superblock(), "", 0);
      return std::move(out_);
    } catch (const Refusal& refusal) {
      throw data_error("not an HDF5 file as msn writes it: " + refusal.what,
                       file_.path().string() + (at_.empty() ? "" : ":" + at_),
                       "it is truncated, damaged or made by another program; make or copy it again");
    }
  }

 private:
  /// A part of the file. All parts together are no larger than the file: where they overlap it is damaged, or made to
  /// keep readers busy.
  std::vector<std::byte> part(std::uint64_t offset, std::uint64_t size) {
    if (offset > size_ || size > size_ - offset) refuse("a structure lies outside the file");
    if (size > max_structure || size > unread_) refuse("structures that are too large or overlap");
    unread_ -= size;
    std::vector<std::byte> bytes(size);
    file_.read_at(bytes, offset);
    return bytes;
  }

  /// The place of the root group's header.
  std::uint64_t read_superblock() {
    const std::vector<std::byte> bytes = part(0, std::min<std::uint64_t>(size_, 96));
    Cursor block(bytes);
    block.expect("\x89HDF\r\n\x1a\n");
    const auto versions = block.take(8);
    if (versions[0] != std::byte{0}) {
      refuse("superblock version " + std::to_string(std::to_integer<int>(versions[0])) + ", where 0 is read");
    }
    if (versions[5] != std::byte{8} || versions[6] != std::byte{8}) refuse("places or lengths of another size than 8");
    block.skip(2);
    max_children_ = 2 * std::uint64_t{block.number<std::uint16_t>()};
    block.skip(4);
    const auto base = block.number<std::uint64_t>();
    block.skip(8);
    const auto end = block.number<std::uint64_t>();
    const auto driver = block.number<std::uint64_t>();
    if (base != 0 || driver != undefined) refuse("a user block or a driver of its own");
    if (end != size_) refuse(std::to_string(size_) + " bytes, where its header says " + std::to_string(end));
    block.skip(8);
    return block.number<std::uint64_t>();
  }

  void read_object(std::uint64_t header, const std::string& path, int depth) {
    at_ = path;
    const Object object = read_header(header, path.empty());
    if (object.group && !object.storage && !object.space && !object.type) {
      if (depth >= max_depth) refuse("groups in groups, too deep");
      return read_group(*object.group, path, depth);
    }
    if (path.empty() || object.group || !object.storage || !object.space || !object.type)
      refuse(path.empty() ? "no root group" : "neither a group nor a dataset");
    const auto& [offset, size] = *object.storage;
    const std::uint64_t elements = object.space->elements, element_size = object.type->size;
    if (elements > undefined / element_size || elements * element_size != size) {
      refuse(std::to_string(elements) + " elements of " + std::to_string(element_size) + " bytes in storage of " +
             std::to_string(size));
    }
    if (size > 0 && (offset > size_ || size > size_ - offset)) refuse("the data lie outside the file");
    out_.datasets[path] = {object.type->kind, element_size, object.space->shape, elements, size > 0 ? offset : 0};
  }

  Object read_header(std::uint64_t place, bool root) {
    const std::vector<std::byte> prefix = part(place, 16);
    Cursor head(prefix);
    if (head.number<std::uint8_t>() != 1) refuse("an object header of another version than 1");
    head.skip(7);
    Object object;
    std::deque<Extent> blocks{{place + 16, head.number<std::uint32_t>()}};
    for (; !blocks.empty(); blocks.pop_front()) {
      const std::vector<std::byte> bytes = part(blocks.front().offset, blocks.front().size);
      for (Cursor messages(bytes); messages.left() >= 8;) {
        const auto type = messages.number<std::uint16_t>();
        const std::size_t size = messages.number<std::uint16_t>();
        const auto flags = messages.number<std::uint8_t>();
        messages.skip(3);
        const Cursor body(messages.take(size));
        if ((flags & 2) != 0) refuse("a shared message");
        read_message(type, body, root, object, blocks);
      }
    }
    return object;
  }

  void read_message(std::uint16_t type, Cursor body, bool root, Object& object, std::deque<Extent>& blocks) {
    switch (type) {
      case Message::dataspace:
        return set_once(object.space, parse_space(body));
      case Message::datatype: {
        const std::optional<Type> parsed = parse_type(body);
        if (!parsed) refuse("elements that are neither little-endian numbers nor fixed-length text");
        return set_once(object.type, *parsed);
      }
      case Message::layout:
        return set_once(object.storage, parse_layout(body));
      case Message::symbol_table: {
        const auto tree = body.number<std::uint64_t>();
        return set_once(object.group, Group{tree, body.number<std::uint64_t>()});
      }
      case Message::continuation: {
        const auto offset = body.number<std::uint64_t>();
        blocks.push_back({offset, body.number<std::uint64_t>()});
        return;
      }
      case Message::attribute:
        if (root) parse_attribute(body, out_.attributes);
        return;
      case Message::nil:
      case Message::old_fill_value:
      case Message::fill_value:
      case Message::comment:
      case Message::old_time:
      case Message::time_stamp:
        return;
      case Message::external_files:
        refuse("data in external files");
      case Message::filters:
        refuse("filtered data");
      default:
        refuse("a header message of type " + std::to_string(type));
    }
  }

  void read_group(const Group& group, const std::string& path, int depth) {
    const std::vector<std::byte> bytes = part(group.heap, 32);
    Cursor head(bytes);
    head.expect("HEAP");
    head.skip(4);
    const auto size = head.number<std::uint64_t>();
    head.skip(8);
    const std::vector<std::byte> names = part(head.number<std::uint64_t>(), size);
    read_node(group.tree, std::nullopt, names, path, depth);
  }

  /// A node of the tree below which the group's entries lie.
  void read_node(std::uint64_t place, std::optional<int> expected_level, std::span<const std::byte> names,
                 const std::string& path, int depth) {
    const std::vector<std::byte> head_bytes = part(place, 24);
    Cursor head(head_bytes);
    head.expect("TREE");
    const auto type = head.number<std::uint8_t>();
    const int level = head.number<std::uint8_t>();
    const std::uint64_t children = head.number<std::uint16_t>();
    if (type != 0 || level > max_depth || level != expected_level.value_or(level) || children > max_children_) {
      refuse("a group whose tree is damaged");
    }
    const std::vector<std::byte> child_bytes = part(place + 24, 16 * children);
    Cursor cursor(child_bytes);
    for (std::uint64_t i = 0; i < children; ++i) {
      cursor.skip(8);
      const auto child = cursor.number<std::uint64_t>();
      if (level > 0) {
        read_node(child, level - 1, names, path, depth);
      } else {
        read_entries(child, names, path, depth);
      }
    }
  }

  void read_entries(std::uint64_t place, std::span<const std::byte> names, const std::string& path, int depth) {
    const std::vector<std::byte> head_bytes = part(place, 8);
    Cursor head(head_bytes);
    head.expect("SNOD");
    head.skip(2);
    const std::uint64_t count = head.number<std::uint16_t>();
    const std::vector<std::byte> entry_bytes = part(place + 8, 40 * count);
    Cursor cursor(entry_bytes);
    for (std::uint64_t i = 0; i < count; ++i) {
      at_ = path;
      const auto name_offset = cursor.number<std::uint64_t>();
      const auto header = cursor.number<std::uint64_t>();
      const auto cached = cursor.number<std::uint32_t>();
      cursor.skip(20);
      if (cached > 1) refuse("a soft link");
      std::string child = path.empty() ? "" : path + "/";
      child += name_at(names, name_offset);
      if (!seen_.insert(child).second) refuse("two objects of the name " + child);
      read_object(header, child, depth + 1);
    }
  }

  static std::string name_at(std::span<const std::byte> names, std::uint64_t offset) {
    if (offset >= names.size()) refuse("a name outside its heap");
    const auto rest = names.subspan(offset);
    const auto* text = reinterpret_cast<const char*>(rest.data());
    const std::size_t length = strnlen(text, rest.size());
    if (length == 0 || length == rest.size() || length > max_name || std::memchr(text, '/', length) != nullptr) {
      refuse("a name that is empty, too long or not plain");
    }
    return {text, length};
  }

  const FileHandle& file_;
  const std::uint64_t size_;
  std::uint64_t unread_;  ///< Bytes that structures may still take.
  std::uint64_t max_children_ = 0;
  std::string at_;  ///< The object being read, for messages.
  std::set<std::string> seen_;
  PlainFile out_;
};

const PlainDataset& find(const FileHandle& file, const PlainFile& index, const std::string& dataset) {
  const auto found = index.datasets.find(dataset);
  if (found == index.datasets.end()) throw data_error("no such dataset", file.path().string() + ":" + dataset);
  if (found->second.shape.size() != 1) {
    throw data_error("the dataset has " + std::to_string(found->second.shape.size()) + " dimensions, not one",
                     file.path().string() + ":" + dataset);
  }
  return found->second;
}

}  // namespace

PlainFile read_plain_file(const FileHandle& file) {
  return Reader(file).read();
}

template <std::integral T>
std::vector<T> read_plain(const FileHandle& file, const PlainFile& index, const std::string& dataset) {
  const PlainDataset& facts = find(file, index, dataset);
  const auto kind = std::signed_integral<T> ? ElementKind::signed_integer : ElementKind::unsigned_integer;
  if (facts.kind != kind || facts.element_size != sizeof(T)) {
    throw data_error(std::string("the dataset does not hold ") + (std::signed_integral<T> ? "signed" : "unsigned") +
                         " integers of " + std::to_string(8 * sizeof(T)) + " bits",
                     file.path().string() + ":" + dataset);
  }
  std::vector<T> values(facts.elements);
  file.read_at(std::as_writable_bytes(std::span(values)), facts.file_offset);
  return values;
}

template std::vector<std::uint8_t> read_plain(const FileHandle&, const PlainFile&, const std::string&);
template std::vector<std::uint16_t> read_plain(const FileHandle&, const PlainFile&, const std::string&);
template std::vector<std::uint32_t> read_plain(const FileHandle&, const PlainFile&, const std::string&);
template std::vector<std::uint64_t> read_plain(const FileHandle&, const PlainFile&, const std::string&);
template std::vector<std::int32_t> read_plain(const FileHandle&, const PlainFile&, const std::string&);

std::vector<std::string> read_plain_text(const FileHandle& file, const PlainFile& index, const std::string& dataset) {
  const PlainDataset& facts = find(file, index, dataset);
  if (facts.kind != ElementKind::text) {
    throw data_error("the dataset does not hold text", file.path().string() + ":" + dataset);
  }
  std::vector<char> raw(facts.elements * facts.element_size);
  file.read_at(std::as_writable_bytes(std::span(raw)), facts.file_offset);
  std::vector<std::string> texts;
  texts.reserve(facts.elements);
  for (std::size_t at = 0; at < raw.size(); at += facts.element_size)
    texts.emplace_back(raw.data() + at, strnlen(raw.data() + at, facts.element_size));
  return texts;
}

}  // namespace msn::h5
