#:project ../../src/PeftCore.Ilgpu/PeftCore.Ilgpu.csproj
#:package ILGPU

// # Lesson 13: a CUDA kernel in C#
//
//   dotnet run docs/lessons/13-kernel.cs
//
// A GPU runs one function, a *kernel*, in thousands of threads; each finds out from its index which part of the result is its own. ILGPU
// (https://ilgpu.net) compiles such a function from C# to PTX, NVIDIA's assembly language, when the program runs. All GPU kernels of
// PeftCore are written like this. Without a card the same code runs on ILGPU's CPU accelerator, slowly, which is enough to see that it is
// right: this lesson takes a card if there is one, and checks the same there.
//
// Threads are grouped in *blocks*. Threads of a block can share a small fast memory and wait for each other at a barrier. That is all that
// is needed for a fast matrix product.

using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.Cuda;
using PeftCore.Backends;
using PeftCore.Ilgpu;
using PeftCore.Ops;
using PeftCore.Tensors;

using var context = Context.Create(builder => builder.Cuda().CPU(CPUDevice.Default));
using var accelerator = context.GetPreferredDevice(preferCPU: false).CreateAccelerator(context);

// ## 1. One thread for each number
//
// y ← a·x + y. The index is the thread's number; the launch says how many there are.

const int Count = 1000;
float[] x = Numbers(Count, seed: 1), y = Numbers(Count, seed: 2);
using (var xs = accelerator.Allocate1D(x))
using (var ys = accelerator.Allocate1D(y))
{
    var axpy = accelerator.LoadAutoGroupedStreamKernel<Index1D, float, ArrayView<float>, ArrayView<float>>(Kernels.Axpy);
    axpy(Count, 0.5f, xs.View, ys.View);
    accelerator.Synchronize();
    Claim(Distance(ys.GetAsArray1D(), [.. x.Zip(y, (a, b) => 0.5f * a + b)]) < 1e-6, $"{Count:N0} threads computed y ← a·x + y");
}

// ## 2. A LoRA layer, one thread for each output
//
//     y[t, o] = Σᵢ x[t, i]·W[o, i] + s·Σⱼ u[t, j]·B[o, j]        u = x·Aᵀ, computed before
//
// Both sums end in one register, so the low-rank part costs no extra pass over y.

const int T = 24, In = 32, Out = 20, R = 4;
const float S = 2;
float[] input = Numbers(T * In, 3), w = Numbers(Out * In, 4), a = Numbers(R * In, 5), b = Numbers(Out * R, 6);
float[] expected = Expected();
using var deviceInput = accelerator.Allocate1D(input);
using var deviceW = accelerator.Allocate1D(w);
using var deviceA = accelerator.Allocate1D(a);
using var deviceB = accelerator.Allocate1D(b);
using var low = accelerator.Allocate1D<float>(T * R);
using var output = accelerator.Allocate1D<float>(T * Out);
var product = accelerator.LoadAutoGroupedStreamKernel<Index2D, int, ArrayView<float>, ArrayView<float>, ArrayView<float>>(Kernels.Product);
var lora = accelerator.LoadAutoGroupedStreamKernel<Index2D, LayerArgs>(Kernels.Lora);
product(new Index2D(T, R), In, deviceInput.View, deviceA.View, low.View);
lora(new Index2D(T, Out), new LayerArgs(In, Out, R, S, deviceInput.View, deviceW.View, low.View, deviceB.View, output.View));
accelerator.Synchronize();
Claim(Distance(output.GetAsArray1D(), expected) < 1e-4, "the kernel gives what PeftCore computes on the CPU for x·Wᵀ + s·(x·Aᵀ)·Bᵀ");

// ## 3. Shared memory
//
// In section 2 each thread reads a row of x and a row of W from the card's memory: 2·In numbers for one result. A block of 4 × 4 threads
// needs only 4 rows of each. It loads 4 × 4 pieces of both into shared memory, each thread one number, waits, multiplies, waits, and goes
// on: each number is read once for a block and used four times. Real kernels have larger tiles and use tensor cores; the idea is this.

const int Tile = Kernels.Tile;
using var tiled = accelerator.Allocate1D<float>(T * Out);
using var reads = accelerator.Allocate1D<int>(1);
reads.MemSetToZero();
var tileKernel = accelerator.LoadStreamKernel<int, int, ArrayView<float>, ArrayView<float>, ArrayView<float>,
    ArrayView<int>>(Kernels.Tiled);
tileKernel((new Index2D(T / Tile, Out / Tile), new Index2D(Tile, Tile)), In, Out, deviceInput.View, deviceW.View, tiled.View, reads.View);
accelerator.Synchronize();
using var backend = new CpuBackend();
using var scope = new TensorScope();
float[] plain = backend.From(input, [T, In]).Linear(backend.From(w, [Out, In])).ToFloats();
Claim(Distance(tiled.GetAsArray1D(), plain) < 1e-4, "the product in tiles is x·Wᵀ");
int naive = 2 * T * Out * In, counted = reads.GetAsArray1D()[0];
Console.WriteLine($"numbers read from the device's memory: {counted:N0} in tiles, {naive:N0} without");
Claim(counted * Tile == naive, $"a tile of {Tile} × {Tile} reads each number {Tile} times less often");

// ## 4. The library's backend
//
// PeftCore.Ilgpu implements the whole device contract with such kernels. The same operations, on another device:

using var device = IlgpuDevices.Open("ilgpu-cpu");
float[] there = (device.From(input, [T, In]).Linear(device.From(w, [Out, In]))
    + S * device.From(input, [T, In]).Linear(device.From(a, [R, In])).Linear(device.From(b, [Out, R]))).ToFloats();
Claim(Distance(there, expected) < 1e-4, "its linear layers agree with the kernel above");

// docs/gpu.md says how the fast ones are made: eight BF16 numbers a thread, tensor cores, asynchronous copies.

float[] Expected()
{
    using var cpu = new CpuBackend();
    using var inner = new TensorScope();
    var rows = cpu.From(input, [T, In]);
    return (rows.Linear(cpu.From(w, [Out, In])) + S * rows.Linear(cpu.From(a, [R, In])).Linear(cpu.From(b, [Out, R]))).ToFloats();
}

static float[] Numbers(int count, int seed)
{
    var random = new Random(seed);
    return [.. Enumerable.Range(0, count).Select(_ => 2 * random.NextSingle() - 1)];
}

/// <summary>Arguments of the layer: sizes, s, and the arrays x, W, u, B and y.</summary>
public readonly record struct LayerArgs(int In, int Out, int R, float S,
    ArrayView<float> X, ArrayView<float> W, ArrayView<float> Low, ArrayView<float> B, ArrayView<float> Y);

/// <summary>The kernels. A kernel is a static method without allocation: no strings, no classes, no exceptions.</summary>
public static class Kernels
{
    public const int Tile = 4;

    public static void Axpy(Index1D i, float a, ArrayView<float> x, ArrayView<float> y) => y[i] += a * x[i];

    /// <summary>y = x·wᵀ for x (…, inputs) and w (outputs, inputs).</summary>
    public static void Product(Index2D at, int inputs, ArrayView<float> x, ArrayView<float> w, ArrayView<float> y)
    {
        float sum = 0;
        for (int i = 0; i < inputs; i++)
        {
            sum += x[at.X * inputs + i] * w[at.Y * inputs + i];
        }
        y[at.X * (y.IntLength / (x.IntLength / inputs)) + at.Y] = sum;
    }

    public static void Lora(Index2D at, LayerArgs args)
    {
        float sum = 0, update = 0;
        for (int i = 0; i < args.In; i++)
        {
            sum += args.X[at.X * args.In + i] * args.W[at.Y * args.In + i];
        }
        for (int j = 0; j < args.R; j++)
        {
            update += args.Low[at.X * args.R + j] * args.B[at.Y * args.R + j];
        }
        args.Y[at.X * args.Out + at.Y] = sum + args.S * update;
    }

    public static void Tiled(int inputs, int outputs, ArrayView<float> x, ArrayView<float> w, ArrayView<float> y, ArrayView<int> reads)
    {
        var xs = SharedMemory.Allocate<float>(Tile * Tile);
        var ws = SharedMemory.Allocate<float>(Tile * Tile);
        int tx = Group.IdxX, ty = Group.IdxY, row = Grid.IdxX * Tile + tx, column = Grid.IdxY * Tile + ty;
        float sum = 0;
        for (int start = 0; start < inputs; start += Tile)
        {
            xs[tx * Tile + ty] = x[row * inputs + start + ty];
            ws[tx * Tile + ty] = w[(Grid.IdxY * Tile + tx) * inputs + start + ty];
            Atomic.Add(ref reads[0], 2);
            Group.Barrier(); // both tiles are complete
            for (int i = 0; i < Tile; i++)
            {
                sum += xs[tx * Tile + i] * ws[ty * Tile + i];
            }
            Group.Barrier(); // nobody still reads them
        }
        y[row * outputs + column] = sum;
    }
}
