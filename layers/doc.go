// Package layers holds the parts that convolutional networks are built from, as graph functions of a scope and nodes.
//
// The caller names the scope; a layer makes its variables right in it, under the names "weights", "biases", "scale",
// "offset", "mean" and "variance". So a variable's path is the path of scopes that the model's author wrote, and
// stays the same when the inside of a layer changes:
//
//	x = layers.Conv(s.In("conv1"), x, layers.ConvOptions{Filters: 64, NoBias: true}) // [B H W 64]
//	x = layers.BatchNorm(s.In("norm1"), x, layers.BatchNormOptions{})
//	x = layers.Tap(layers.ReLU(x), "conv1")
//	x = layers.MaxPool(x, layers.PoolOptions{}) // [B H/2 W/2 64]
//
// Shapes are written with fixed letters: B batch, H W space, T time, C channels, K classes or filters. Channels come
// last. Conv and the poolings take one, two or three spatial axes: [B T C], [B H W C], [B D H W C].
//
// The defaults are those of PyTorch, whose published networks are the ones most often compared with: symmetric
// padding, ε 1e-5 and momentum 0.9 in batch normalisation, no decay of the learning rate that nobody asked for.
//
// Every layer here is differentiable in training and in evaluation, on every backend, and computes in the data type
// of its input while its variables stay float32 (float64 for float64 input): feeding bfloat16 is all that mixed
// precision needs.
//
// Layers panic, with an error that says what to do, when they are given shapes or options that cannot work. That
// happens only while a graph is built; the executors of GoMLX turn it into an ordinary error.
package layers
