// Rays against convex solids in a bounding volume hierarchy, and the light that reaches points.
// The shapes are those of primitives.py; tracer.py is the only caller.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace {

constexpr double kFar = HUGE_VAL;
constexpr float kLift = 2e-3f;
enum Shape { BOX, CYLINDER, ELLIPSOID, CONE, GABLE, TAPER, WEDGE };

struct Plane { double x, y, z, bound; };  // x, y, z outwards
const std::vector<Plane> kPlanes[] = {
    {}, {}, {}, {},
    {{1, 0, .5, .5}, {-1, 0, .5, .5}, {0, 1, 0, 1}, {0, -1, 0, 1}, {0, 0, -1, 1}},
    {{1, 0, .2, .8}, {-1, 0, .2, .8}, {0, 1, .1, .9}, {0, -1, .1, .9}, {0, 0, 1, 1}, {0, 0, -1, 1}},
    {{-1, 0, 1, 0}, {1, 0, 0, 1}, {0, 1, 0, 1}, {0, -1, 0, 1}, {0, 0, -1, 1}},
};

struct Solid {
  double unit[9], centre[3];
  int shape;
  bool casts;
  int row;
};

struct Node {
  float low[3], high[3];
  int first, count;  // a leaf has solids, an inner node its right child in first
};

struct Ray {
  double o[3], d[3];
  float of[3], inverse[3];
};

struct Entry {
  double t;
  double n[3];  // gradient in the unit frame
};

Ray make_ray(const float* o, const float* d) {
  Ray ray;
  for (int k = 0; k < 3; ++k) {
    ray.o[k] = ray.of[k] = o[k];
    ray.d[k] = d[k];
    ray.inverse[k] = 1.0f / (std::fabs(d[k]) < 1e-12f ? 1e-12f : d[k]);
  }
  return ray;
}

// First crossing from outside at 0 < t < limit.
bool enter(const Solid& s, const Ray& ray, double limit, Entry& out) {
  double o[3], d[3];
  const double x = ray.o[0] - s.centre[0], y = ray.o[1] - s.centre[1], z = ray.o[2] - s.centre[2];
  for (int k = 0; k < 3; ++k) {
    const double* u = s.unit + 3 * k;
    o[k] = u[0] * x + u[1] * y + u[2] * z;
    d[k] = u[0] * ray.d[0] + u[1] * ray.d[1] + u[2] * ray.d[2];
  }
  double near = -kFar, far = kFar;
  switch (s.shape) {
    case BOX: {
      int axis = 0;
      for (int k = 0; k < 3; ++k) {
        const double inverse = 1 / (std::fabs(d[k]) < 1e-12 ? 1e-12 : d[k]);
        const double middle = -o[k] * inverse, reach = std::fabs(inverse);
        if (middle - reach > near) near = middle - reach, axis = k;
        far = std::min(far, middle + reach);
      }
      if (near > far || !(near > 0 && near < limit)) return false;
      out.n[0] = out.n[1] = out.n[2] = 0;
      out.n[axis] = d[axis] > 0 ? -1 : 1;
      out.t = near;
      return true;
    }
    case ELLIPSOID: {
      const double a = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
      const double b = o[0] * d[0] + o[1] * d[1] + o[2] * d[2];
      const double c = o[0] * o[0] + o[1] * o[1] + o[2] * o[2] - 1, root = b * b - a * c;
      if (root < 0) return false;
      near = (-b - std::sqrt(root)) / a;
      if (!(near > 0 && near < limit)) return false;
      for (int k = 0; k < 3; ++k) out.n[k] = o[k] + near * d[k];
      out.t = near;
      return true;
    }
    case CYLINDER: {
      const double dz = std::fabs(d[2]) < 1e-12 ? 1e-12 : d[2];
      const double low = (-std::copysign(1.0, dz) - o[2]) / dz;
      const double high = (std::copysign(1.0, dz) - o[2]) / dz;
      const double a = std::max(d[0] * d[0] + d[1] * d[1], 1e-20), b = o[0] * d[0] + o[1] * d[1];
      const double root = b * b - a * (o[0] * o[0] + o[1] * o[1] - 1);
      if (root < 0) return false;
      const double first = (-b - std::sqrt(root)) / a, last = (-b + std::sqrt(root)) / a;
      near = std::max(low, first);
      if (near > std::min(high, last) || !(near > 0 && near < limit)) return false;
      const bool cap = low > first;
      out.n[0] = cap ? 0 : o[0] + near * d[0];
      out.n[1] = cap ? 0 : o[1] + near * d[1];
      out.n[2] = cap ? -std::copysign(1.0, dz) : 0;
      out.t = near;
      return true;
    }
    case CONE: {  // radius (1 - z) / 2
      const double r = (1 - o[2]) / 2, slope = -d[2] / 2;
      double a = d[0] * d[0] + d[1] * d[1] - slope * slope;
      if (std::fabs(a) < 1e-12) a = 1e-12;
      const double b = o[0] * d[0] + o[1] * d[1] - r * slope;
      const double root = b * b - a * (o[0] * o[0] + o[1] * o[1] - r * r);
      double best = kFar;
      if (root >= 0)
        for (const double t : {(-b - std::sqrt(root)) / a, (-b + std::sqrt(root)) / a}) {
          const double height = o[2] + t * d[2];
          if (t > 0 && t < best && height >= -1 && height <= 1) {
            best = t;
            out.n[0] = o[0] + t * d[0], out.n[1] = o[1] + t * d[1], out.n[2] = (1 - height) / 4;
          }
        }
      const double t = (-1 - o[2]) / (std::fabs(d[2]) < 1e-12 ? 1e-12 : d[2]);
      const double p = o[0] + t * d[0], q = o[1] + t * d[1];
      if (t > 0 && t < best && p * p + q * q <= 1) {
        best = t;
        out.n[0] = out.n[1] = 0, out.n[2] = -1;
      }
      out.t = best;
      return best < limit;
    }
    default: {
      const Plane* entered = nullptr;
      for (const Plane& plane : kPlanes[s.shape]) {
        const double rise = plane.x * d[0] + plane.y * d[1] + plane.z * d[2];
        const double rest = plane.bound - (plane.x * o[0] + plane.y * o[1] + plane.z * o[2]);
        if (std::fabs(rise) < 1e-12) {
          if (rest < 0) return false;
          continue;
        }
        const double t = rest / rise;
        if (rise < 0) {
          if (t > near) near = t, entered = &plane;
        } else if (t < far) {
          far = t;
        }
        if (near > far) return false;
      }
      if (!(near > 0 && near < limit)) return false;
      out.n[0] = entered->x, out.n[1] = entered->y, out.n[2] = entered->z;
      out.t = near;
      return true;
    }
  }
}

class Tree {
 public:
  Tree(int count, const int32_t* shape, const float* centre, const float* rotation,
       const float* half, const uint8_t* casts) {
    solids_.resize(count), low_.resize(count), high_.resize(count), order_.resize(count);
    for (int i = 0; i < count; ++i) {
      Solid& s = solids_[i];
      s.shape = shape[i], s.casts = casts[i], s.row = i, order_[i] = i;
      for (int k = 0; k < 3; ++k) {
        s.centre[k] = centre[3 * i + k];
        double reach = 1e-4;
        for (int j = 0; j < 3; ++j) {
          s.unit[3 * k + j] = double(rotation[9 * i + 3 * j + k]) / half[3 * i + k];
          reach += std::fabs(double(rotation[9 * i + 3 * k + j])) * half[3 * i + j];
        }
        low_[i].v[k] = float(s.centre[k] - reach), high_[i].v[k] = float(s.centre[k] + reach);
      }
    }
    nodes_.reserve(2 * count + 2);
    if (count) split(0, count);
    std::vector<Solid> sorted;
    for (const int i : order_) sorted.push_back(solids_[i]);
    solids_.swap(sorted);
  }

  // Nearest solid (its place in the tree) or -1. The guess, -1 for none, is tried first.
  int first(const Ray& ray, Entry& best, int guess) const {
    int owner = -1;
    best.t = kFar;
    if (guess >= 0 && enter(solids_[guess], ray, kFar, best)) owner = guess;
    else best.t = kFar;
    walk(ray, best.t, [&](int i) {
      Entry entry;
      if (enter(solids_[i], ray, best.t, entry)) best = entry, owner = i;
      return false;
    });
    return owner;
  }

  // Whether a solid casts a shadow; the guess is tried first and replaced by the one that does.
  bool blocked(const Ray& ray, double limit, int& guess) const {
    Entry entry;
    if (guess >= 0 && enter(solids_[guess], ray, limit, entry)) return true;
    guess = -1;
    walk(ray, limit, [&](int i) {
      if (!solids_[i].casts || !enter(solids_[i], ray, limit, entry)) return false;
      guess = i;
      return true;
    });
    return guess >= 0;
  }

  const Solid& solid(int i) const { return solids_[i]; }

 private:
  struct Corner { float v[3]; };
  std::vector<Solid> solids_;
  std::vector<Corner> low_, high_;
  std::vector<int> order_;
  std::vector<Node> nodes_;

  void split(int begin, int end) {
    const int here = int(nodes_.size());
    nodes_.push_back({});
    Node node;
    for (int k = 0; k < 3; ++k) {
      node.low[k] = HUGE_VALF, node.high[k] = -HUGE_VALF;
      for (int i = begin; i < end; ++i) {
        node.low[k] = std::min(node.low[k], low_[order_[i]].v[k]);
        node.high[k] = std::max(node.high[k], high_[order_[i]].v[k]);
      }
    }
    node.first = begin, node.count = end - begin;
    int axis = 0, middle = begin;
    if (node.count > 2 && cut(begin, end, axis, middle)) {
      node.count = 0;
      split(begin, middle);
      node.first = int(nodes_.size());
      split(middle, end);
    }
    nodes_[here] = node;
  }

  // The cut of least surface area along any axis.
  bool cut(int begin, int end, int& axis, int& middle) {
    const int count = end - begin;
    double best = kFar;
    std::vector<double> left(count);
    auto middle_of = [&](int i, int k) { return low_[i].v[k] + high_[i].v[k]; };
    auto sort = [&](int k) {
      std::sort(order_.begin() + begin, order_.begin() + end, [&](int a, int b) {
        const float p = middle_of(a, k), q = middle_of(b, k);
        return p != q ? p < q : a < b;
      });
    };
    for (int k = 0; k < 3; ++k) {
      sort(k);
      for (const bool backwards : {false, true}) {
        Corner low{{HUGE_VALF, HUGE_VALF, HUGE_VALF}}, high{{-HUGE_VALF, -HUGE_VALF, -HUGE_VALF}};
        for (int n = 0; n < count - 1; ++n) {
          const int i = order_[backwards ? end - 1 - n : begin + n];
          double side[3];
          for (int j = 0; j < 3; ++j) {
            low.v[j] = std::min(low.v[j], low_[i].v[j]);
            high.v[j] = std::max(high.v[j], high_[i].v[j]);
            side[j] = high.v[j] - low.v[j];
          }
          const double area = side[0] * side[1] + side[1] * side[2] + side[2] * side[0];
          if (!backwards) {
            left[n] = area * (n + 1);
          } else if (left[count - 2 - n] + area * (n + 1) < best) {
            best = left[count - 2 - n] + area * (n + 1), axis = k, middle = end - 1 - n;
          }
        }
      }
    }
    if (best == kFar) return false;
    sort(axis);
    return true;
  }

  static float reach(const Node& node, const Ray& ray, float limit) {
    float near = 0, far = limit;
    for (int k = 0; k < 3; ++k) {
      const float a = (node.low[k] - ray.of[k]) * ray.inverse[k];
      const float b = (node.high[k] - ray.of[k]) * ray.inverse[k];
      near = std::max(near, std::min(a, b)), far = std::min(far, std::max(a, b));
    }
    return near <= far * 1.00001f ? near : HUGE_VALF;
  }

  template <class Visit>
  void walk(const Ray& ray, const double& limit, Visit visit) const {
    if (nodes_.empty()) return;
    struct Open { int node; float near; } stack[128];
    int open = 0;
    stack[open++] = {0, reach(nodes_[0], ray, float(limit))};
    while (open) {
      const Open top = stack[--open];
      if (!(top.near < limit)) continue;
      const Node& node = nodes_[top.node];
      if (node.count) {
        for (int i = node.first; i < node.first + node.count; ++i)
          if (visit(i)) return;
        continue;
      }
      const int left = top.node + 1, right = node.first;
      const float a = reach(nodes_[left], ray, float(limit));
      const float b = reach(nodes_[right], ray, float(limit));
      stack[open++] = a < b ? Open{right, b} : Open{left, a};
      stack[open++] = a < b ? Open{left, a} : Open{right, b};
    }
  }
};

uint32_t hashed(uint32_t value) {
  value ^= value >> 16, value *= 0x7feb352du, value ^= value >> 15, value *= 0x846ca68bu;
  return value ^ (value >> 16);
}

}  // namespace

extern "C" {

struct Light {
  float sun[3], sun_colour[3], occlusion_m;
  int32_t lamps, occlusion;  // one of so many points looks for near solids; 0 for none
};

void* tree_new(int count, const int32_t* shape, const float* centre, const float* rotation,
               const float* half, const uint8_t* casts) {
  return new Tree(count, shape, centre, rotation, half, casts);
}

void tree_delete(void* tree) { delete static_cast<Tree*>(tree); }

// step is 0 where all rays share one origin, else 3. Unseen rays have range inf and owner -1.
void tree_trace(const void* tree, int64_t count, const float* origins, int step,
                const float* directions, float* range, int64_t* owner, float* local,
                float* local_normal, float* normal) {
  const Tree& t = *static_cast<const Tree*>(tree);
  int last = -1;
  for (int64_t i = 0; i < count; ++i) {
    const Ray ray = make_ray(origins + step * i, directions + 3 * i);
    Entry entry;
    last = t.first(ray, entry, last);
    const int found = last;
    range[i] = float(entry.t), owner[i] = -1;
    if (found < 0) continue;
    const Solid& s = t.solid(found);
    owner[i] = s.row;
    double at[3], n[3], world[3] = {0, 0, 0}, length[3], norm = 0;
    for (int k = 0; k < 3; ++k) at[k] = ray.o[k] + entry.t * ray.d[k] - s.centre[k];
    for (int k = 0; k < 3; ++k) {
      const double* u = s.unit + 3 * k;
      length[k] = std::sqrt(u[0] * u[0] + u[1] * u[1] + u[2] * u[2]);  // 1 / half
      local[3 * i + k] = float((u[0] * at[0] + u[1] * at[1] + u[2] * at[2]) / length[k]);
      n[k] = entry.n[k] * length[k];
      norm += n[k] * n[k];
    }
    norm = std::sqrt(norm);
    for (int k = 0; k < 3; ++k)
      for (int j = 0; j < 3; ++j) world[j] += s.unit[3 * k + j] / length[k] * n[k] / norm;
    for (int k = 0; k < 3; ++k) {
      local_normal[3 * i + k] = float(n[k] / norm);
      normal[3 * i + k] = float(world[k]);
    }
  }
}

// Direct light on points; lamps are rows of place, colour, low and high corner of what they reach.
// open is 1 where a random ray meets no solid within occlusion_m, 0 where it does, else -1.
void tree_light(const void* tree, int64_t count, const float* points, const float* normals,
                const float* directions, const Light* light, const float* lamps, float* received,
                float* shine, float* open) {
  const Tree& t = *static_cast<const Tree*>(tree);
  const bool sunny = light->sun_colour[0] + light->sun_colour[1] + light->sun_colour[2] > 0;
  std::vector<bool> again(light->lamps);  // reaches the same space as the lamp before it
  for (int l = 1; l < light->lamps; ++l)
    again[l] = std::equal(lamps + 12 * l + 6, lamps + 12 * l + 12, lamps + 12 * l - 6);
  int before_sun = -1, before_lamp = -1, near = -1;
  for (int64_t i = 0; i < count; ++i) {
    const float *p = points + 3 * i, *n = normals + 3 * i, *d = directions + 3 * i;
    float from[3], mirrored[3];
    const float along = d[0] * n[0] + d[1] * n[1] + d[2] * n[2];
    for (int k = 0; k < 3; ++k) {
      from[k] = p[k] + n[k] * kLift, mirrored[k] = d[k] - 2 * along * n[k];
    }
    open[i] = light->occlusion ? -1 : 1;
    const uint32_t random = hashed(uint32_t(i));
    if (light->occlusion && random % light->occlusion == 0) {  // directions as the cosine
      const float angle = float(random & 0xffff) * 9.5873799e-5f;
      const float z = 2 * float(random >> 16) / 65536 - 1, flat = std::sqrt(1 - z * z);
      float way[3] = {n[0] + flat * std::cos(angle), n[1] + flat * std::sin(angle), n[2] + z};
      const float size = std::sqrt(way[0] * way[0] + way[1] * way[1] + way[2] * way[2]) + 1e-6f;
      for (float& w : way) w /= size;
      open[i] = !t.blocked(make_ray(from, way), light->occlusion_m, near);
    }
    float *sum = received + 3 * i, *glance = shine + 3 * i;
    for (int k = 0; k < 3; ++k) sum[k] = glance[k] = 0;
    auto add = [&](const float* way, const float* colour, float facing, float sharp) {
      const float spot = way[0] * mirrored[0] + way[1] * mirrored[1] + way[2] * mirrored[2];
      const float bright = spot > 0.8f ? std::pow(spot, sharp) : 0;
      for (int k = 0; k < 3; ++k) sum[k] += facing * colour[k], glance[k] += bright * colour[k];
    };
    if (sunny) {
      const float* s = light->sun;
      const float facing = s[0] * n[0] + s[1] * n[1] + s[2] * n[2];
      if (facing > 0 && !t.blocked(make_ray(from, s), 300, before_sun)) add(s, light->sun_colour, facing, 60);
    }
    int strongest = -1;
    float most = 0.02f, way_to[3] = {0, 0, 0}, far = 0, facing_it = 0;
    bool inside = false;
    for (int l = 0; l < light->lamps; ++l) {
      const float* lamp = lamps + 12 * l;
      if (!again[l]) {
        inside = true;
        for (int k = 0; k < 3; ++k) inside &= p[k] >= lamp[6 + k] && p[k] <= lamp[9 + k];
      }
      if (!inside) continue;
      float way[3], square = 1e-6f;
      for (int k = 0; k < 3; ++k) way[k] = lamp[k] - from[k], square += way[k] * way[k];
      const float reach = std::sqrt(square);
      for (float& w : way) w /= reach;
      const float cosine = way[0] * n[0] + way[1] * n[1] + way[2] * n[2];
      if (cosine <= 0) continue;
      const float facing = cosine / (1 + square / 6.25f);
      const float strength = facing * (lamp[3] + lamp[4] + lamp[5]);
      if (strength > most) {  // only the strongest lamp casts a shadow
        if (strongest >= 0) add(way_to, lamps + 12 * strongest + 3, facing_it, 40);
        strongest = l, most = strength, far = reach, facing_it = facing;
        std::copy(way, way + 3, way_to);
      } else {
        add(way, lamp + 3, facing, 40);
      }
    }
    if (strongest >= 0 && !t.blocked(make_ray(from, way_to), far - .02, before_lamp))
      add(way_to, lamps + 12 * strongest + 3, facing_it, 40);
  }
}

// Means over the neighbours within three pixels that show the same solid, of values that are not
// negative; columns wrap. 1 where there are none.
void smooth(int height, int width, const int64_t* owner, const float* in, float* out) {
  for (int v = 0; v < height; ++v)
    for (int u = 0; u < width; ++u) {
      const int64_t here = int64_t(v) * width + u;
      float sum = 0, seen = 0;
      for (int y = std::max(0, v - 3); y <= std::min(height - 1, v + 3); ++y)
        for (int x = u - 3; x <= u + 3; ++x) {
          const int column = x < 0 ? x + width : x < width ? x : x - width;
          const int64_t there = int64_t(y) * width + column;
          if (owner[there] == owner[here] && in[there] >= 0) sum += in[there], ++seen;
        }
      out[here] = seen ? sum / seen : 1;
    }
}

// Colours of square images at (s, t) in image widths, from the level whose texels are as large
// as the footprint. texels: levels one after the other, images x side x side x 3 each.
void sample(int64_t count, const float* texels, int images, int side, const int64_t* image,
            const float* s, const float* t, const float* footprint, float* out) {
  for (int64_t i = 0; i < count; ++i) {
    int size = side;
    const float* level = texels;
    while (size > 1 && footprint[i] * size > 1.4f) level += int64_t(images) * size * size * 3, size /= 2;
    level += image[i] * size * size * 3;
    const float x = (s[i] - std::floor(s[i])) * size - .5f, y = (t[i] - std::floor(t[i])) * size - .5f;
    const float fx = x - std::floor(x), fy = y - std::floor(y);
    const int x0 = (int(std::floor(x)) + size) % size, y0 = (int(std::floor(y)) + size) % size;
    const int x1 = (x0 + 1) % size, y1 = (y0 + 1) % size;
    for (int k = 0; k < 3; ++k) {
      const auto at = [&](int column, int row) { return level[(row * size + column) * 3 + k]; };
      const float low = at(x0, y0) + fx * (at(x1, y0) - at(x0, y0));
      const float high = at(x0, y1) + fx * (at(x1, y1) - at(x0, y1));
      out[3 * i + k] = low + fy * (high - low);
    }
  }
}

}  // extern "C"
