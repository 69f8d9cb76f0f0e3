// SPDX-License-Identifier: Apache-2.0
#include "comm/shared_folder.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/files.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

/// One rank's file, gone at the end of the scope.
class Mark {
 public:
  explicit Mark(fs::path file) : file_(std::move(file)) {}
  ~Mark() {
    if (made_) ::unlink(file_.c_str());
  }
  Mark(const Mark&) = delete;
  Mark& operator=(const Mark&) = delete;

  void make(const std::string& text) {
    const FileHandle handle(file_, O_WRONLY | O_CREAT | O_EXCL);
    made_ = true;
    handle.write_at(std::as_bytes(std::span(text)), 0);
    handle.sync();
  }

 private:
  fs::path file_;
  bool made_ = false;
};

std::string chance() {
  std::random_device device;
  return std::to_string(device()) + std::to_string(device());
}

}  // namespace

void check_shared_folder(const World& world, const fs::path& folder) {
  // A name that no host can have looked for before: NFS remembers for a while what was not there.
  const std::string text = world.broadcast(chance());
  const auto file_of = [&](int rank) { return folder / (".msn-shared-" + text + "-" + std::to_string(rank)); };
  Mark mark(file_of(world.rank()));
  world.agree([&] {
    if (world.local_rank() != 0) return;
    if (!fs::is_directory(folder)) {
      throw data_error("there is no such folder", fs::absolute(folder).string(),
                       "name one that is there, on a file system that all hosts share");
    }
    try {
      mark.make(text);
    } catch (const Error& error) {
      throw data_error("the folder cannot be written to: " + error.problem(), error.where(),
                       "name one that every host may write to");
    }
  });
  const auto look = [&](int writer) {
    std::string seen;
    try {
      seen = read_text(file_of(writer), 1 << 10);
    } catch (const Error&) {
      // Said below.
    }
    if (seen == text) return;
    throw data_error("what rank " + std::to_string(writer) + " writes into the folder is not seen", folder.string(),
                     "the hosts have different folders of this name: name one on a file system that they share");
  };
  const std::vector<std::string> is_writer = world.gather(world.local_rank() == 0 ? "1" : "");
  world.agree([&] {
    look(0);
    if (world.rank() != 0) return;
    for (int rank = 1; rank < world.size(); ++rank) {
      if (!is_writer[static_cast<std::size_t>(rank)].empty()) look(rank);
    }
  });
}

}  // namespace msn
