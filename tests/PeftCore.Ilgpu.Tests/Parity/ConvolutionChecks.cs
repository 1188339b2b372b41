using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu.Tests;

/// <summary>Patches of convolutions and group norm.</summary>
internal static class ConvolutionChecks
{
    public static IEnumerable<(string Name, Action<ParityBench> Body)> All =>
    [
        ("unfold", Unfold), ("bf16_unfold", Bf16Unfold), ("group_norm", GroupNorm), ("bf16_group_norm", Bf16GroupNorm),
        ("bf16_convolution", Bf16Convolution),
    ];

    private static IEnumerable<(ConvolutionSpec Spec, int Groups)> Specs =>
    [
        (ConvolutionSpec.Over2(3, padding: 1), 1),
        (ConvolutionSpec.Over2(3, stride: 2) with { PadBottom = 1, PadRight = 1 }, 1),
        (ConvolutionSpec.Over2(3, padding: 1) with { Upsampling = 2 }, 1),
        (ConvolutionSpec.Over2(2, padding: 2, dilation: 2, groups: 2), 2),
    ];

    private static void Unfold(ParityBench bench)
    {
        foreach (var (spec, groups) in Specs)
        {
            Shape shape = [2, bench.Size(4, 33), bench.Size(3, 20), bench.Size(2, 40) * groups];
            var grid = spec.On(shape);
            int first = grid.Rows / 3, count = grid.Rows - first;
            Twin x = bench.Random(shape), p = bench.Empty([count, grid.Columns]), dp = bench.Random([count, grid.Columns]),
                dx = bench.Target(shape, accumulate: true);
            bench.Run((b, t) => b.PackPatches(t(x), grid, groups - 1, first, t(p)));
            bench.Same(p, "patches", 0);
            bench.Run((b, t) => b.AddPatches(t(dp), grid, groups - 1, first, t(dx)));
            bench.Same(dx, "dx");
        }
    }

    private static void Bf16Unfold(ParityBench bench)
    {
        var grid = ConvolutionSpec.Over1(3, stride: 2, padding: 1).On([2, bench.Size(7, 200), bench.Size(3, 48)]);
        Shape shape = [2, grid.Width, grid.Channels];
        Twin x = bench.Activation(shape), p = bench.Result([grid.Rows, grid.Columns]), dp = bench.Activation([grid.Rows, grid.Columns]),
            dx = bench.Result(shape, accumulate: true);
        bench.Run((b, t) => b.PackPatches(t(x), grid, 0, 0, t(p)));
        bench.Same(p, "patches", 0);
        bench.Run((b, t) => b.AddPatches(t(dp), grid, 0, 0, t(dx)));
        bench.Same(dx, "dx", 8e-3);
    }

    // Implicit products on cards that have them; packed patches on the CPU, which multiplies the same numbers in F32.
    private static void Bf16Convolution(ParityBench bench)
    {
        Convolution(bench, ConvolutionSpec.Over2(3, padding: 1), [2, bench.Size(4, 33), bench.Size(3, 20), 64], bench.Size(8, 24));
        Convolution(bench, ConvolutionSpec.Over2(3, padding: 1), [3, bench.Size(3, 16), bench.Size(2, 17), bench.Size(64, 320)],
            bench.Size(64, 192));
        Convolution(bench, ConvolutionSpec.Over2(3, padding: 1), [1, bench.Size(2, 64), bench.Size(2, 64), bench.Size(64, 640)],
            bench.Size(64, 320));
        Convolution(bench, ConvolutionSpec.Over2(3, stride: 2) with { PadBottom = 1, PadRight = 1 },
            [2, bench.Size(4, 32), bench.Size(5, 23), bench.Size(64, 128)], bench.Size(8, 128));
        Convolution(bench, ConvolutionSpec.Over2(3, stride: 2, padding: 1), [1, bench.Size(4, 31), bench.Size(5, 64), 64], 9);
        Convolution(bench, ConvolutionSpec.Over2(2, padding: 3, dilation: 3), [2, bench.Size(3, 9), bench.Size(4, 14), 64],
            bench.Size(8, 64));
        Convolution(bench, new ConvolutionSpec(5, 2) { PadTop = 4, PadLeft = 1 }, [2, bench.Size(2, 11), bench.Size(3, 7), 64],
            bench.Size(8, 128));
        Convolution(bench, ConvolutionSpec.Over1(3, padding: 1), [2, bench.Size(7, 200), bench.Size(64, 384)], bench.Size(8, 256));
        Convolution(bench, ConvolutionSpec.Over1(10, stride: 5), [2, bench.Size(21, 403), 64], 36);
    }

    private static void Convolution(ParityBench bench, ConvolutionSpec spec, Shape shape, int outputs)
    {
        var grid = spec.On(shape);
        var result = spec.ShapeOf(grid, outputs);
        foreach (var dtype in new[] { DType.BF16, DType.F32 })
        {
            Twin x = bench.Activation(shape), w = bench.Random([outputs, grid.Columns], DType.BF16, 0.2f),
                bias = bench.Random([outputs], dtype), y = bench.Result(result);
            bench.Run((b, t) => Forward(t(x), grid, t(w), t(bias), t(y)));
            bench.Same(y, $"y of {shape} to {outputs}", 6e-3);
            if (spec is { StrideHeight: 1, StrideWidth: 1 })
            {
                Twin dy = bench.Activation(result), dx = bench.Result(shape, accumulate: dtype == DType.F32);
                bench.Run((b, t) => Backward(t(dy), grid, t(w), t(dx), accumulate: dtype == DType.F32));
                bench.Same(dx, $"dx of {shape} to {outputs}", 6e-3);
            }
        }
    }

    private static void Forward(Tensor x, PatchGrid grid, Tensor weight, Tensor bias, Tensor y)
    {
        using var scope = new TensorScope();
        if (ImplicitConvolution.Takes(x, grid, weight))
        {
            ImplicitConvolution.Run(x, grid, weight, bias, y);
            return;
        }
        Assert.That(x.Backend.ConvolvesImplicitly, Is.False, $"an implicit product takes {grid}");
        var patches = x.NewLike([grid.Rows, grid.Columns], x.DType);
        x.Backend.PackPatches(x, grid, 0, 0, patches);
        x.Backend.MatMulSum([new GemmOperands(patches, false, weight, true)], y.View([grid.Rows, weight.Shape[0]], 0), bias);
    }

    private static void Backward(Tensor dy, PatchGrid grid, Tensor weight, Tensor dx, bool accumulate)
    {
        using var scope = new TensorScope();
        if (ImplicitConvolution.TakesGradient(dy, grid, weight))
        {
            ImplicitConvolution.Gradient(dy, grid, weight, dx, accumulate);
            return;
        }
        if (!accumulate)
        {
            dx.Backend.Zero(dx);
        }
        var patches = dy.NewLike([grid.Rows, grid.Columns], dy.DType);
        dy.Backend.MatMul(dy.View([grid.Rows, weight.Shape[0]], 0), false, weight, false, patches);
        dy.Backend.AddPatches(patches, grid, 0, 0, dx);
    }

    private static void GroupNorm(ParityBench bench)
    {
        var shape = new GroupShape(2, bench.Size(2100, 4100), bench.Size(6, 96), 3);
        Shape extents = [shape.Batch, shape.Positions, shape.Channels];
        foreach (var dtype in new[] { DType.F32, DType.BF16 })
        {
            Twin x = bench.Random(extents), w = bench.Random([shape.Channels], dtype), bias = bench.Random([shape.Channels], dtype),
                y = bench.Empty(extents), mean = bench.Empty([shape.Batch, shape.Groups]), rstd = bench.Empty([shape.Batch, shape.Groups]),
                dy = bench.Random(extents);
            bench.Run((b, t) => b.GroupNorm(shape, t(x), t(w), t(bias), t(y), t(mean), t(rstd), 1e-5f));
            bench.Same(y, "y", 1e-5);
            bench.Same(mean, "mean", 1e-5);
            bench.Same(rstd, "rstd", 1e-5);
            foreach (bool accumulate in new[] { false, true })
            {
                Twin dx = bench.Target(extents, accumulate), dw = bench.Target([shape.Channels], accumulate),
                    db = bench.Target([shape.Channels], accumulate);
                bench.Run((b, t) => b.GroupNormGradient(shape, t(x), t(w), t(mean), t(rstd), t(dy), t(dx), accumulate, t(dw), accumulate,
                    t(db), accumulate));
                bench.Same(dx, "dx", 1e-5);
                bench.Same(dw, "dweight", 1e-5);
                bench.Same(db, "dbias", 1e-5);
            }
        }
    }

    private static void Bf16GroupNorm(ParityBench bench)
    {
        var shape = new GroupShape(2, bench.Size(5, 300), bench.Size(4, 64), 2);
        Shape extents = [shape.Batch, shape.Positions, shape.Channels];
        Twin x = bench.Activation(extents), w = bench.Random([shape.Channels]), bias = bench.Random([shape.Channels]),
            y = bench.Result(extents), mean = bench.Empty([shape.Batch, shape.Groups]), rstd = bench.Empty([shape.Batch, shape.Groups]),
            dy = bench.Activation(extents), dx = bench.Result(extents);
        bench.Run((b, t) => b.GroupNorm(shape, t(x), t(w), t(bias), t(y), t(mean), t(rstd), 1e-5f));
        bench.Same(y, "y", 8e-3);
        bench.Run((b, t) => b.GroupNormGradient(shape, t(x), t(w), t(mean), t(rstd), t(dy), t(dx), false, null, false, null, false));
        bench.Same(dx, "dx", 8e-3);
    }
}
