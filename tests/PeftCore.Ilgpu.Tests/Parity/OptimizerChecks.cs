using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu.Tests;

/// <summary>Optimizers that step many parameters in one call.</summary>
internal static class OptimizerChecks
{
    public static IEnumerable<(string Name, Action<ParityBench> Body)> All =>
        [("adamw_8bit", AdamW8Bit), ("lion", Lion), ("adafactor", Adafactor), ("adafactor_repeats", AdafactorRepeats)];

    private static void AdamW8Bit(ParityBench bench)
    {
        int[] counts = [bench.Size(300, 70_001), 1, 256, bench.Size(4353, 1_000_003)];
        var parameters = counts.Select(count => new Coded(bench, count)).ToList();
        Twin small = bench.Random([33]), smallFirst = Zeros(bench, [33]), smallSecond = Zeros(bench, [33]);
        for (int step = 1; step <= 3; step++)
        {
            var h = new Optimizers.AdamW(1e-2f, 0.9f, 0.999f, 1e-8f, 0.1f, step);
            var gradients = counts.Select(count => bench.Random([count])).ToList();
            var smallGradient = bench.Random([33]);
            bench.Run((b, t) => b.AdamW8Bit([.. parameters.Select((p, i) => p.Tensors(h, t(gradients[i]), t)),
                new AdamW8BitTensors(h, t(small), t(smallGradient), t(smallFirst), t(smallSecond), null)], 0.5f));
            bench.Same(small, "small parameter", 1e-5);
            bench.Same(smallFirst, "small first moment");
            foreach (var p in parameters)
            {
                // A moment halfway between two numbers may get another code where a product is rounded otherwise, which changes the next
                // step of its element, 1e-2 at most, by a few parts in a hundred.
                bench.Same(p.Value, "parameter", step == 1 ? 1e-5 : 1e-3);
                bench.Same(p.Absmax1, "scales of the first moment", 1e-5);
                bench.Same(p.Absmax2, "scales of the second moment", 1e-5);
                SameCodes(bench, p.First, "first codes");
                SameCodes(bench, p.Second, "second codes");
            }
        }
    }

    private static void Lion(ParityBench bench)
    {
        int[] counts = [bench.Size(33, 70_001), 1, bench.Size(4099, 200_003)];
        var twins = counts.Select(count => (Value: bench.Random([count]), Gradient: bench.Random([count]), Moment: bench.Random([count])))
            .ToList();
        var h = new Optimizers.Lion(1e-2f, 0.9f, 0.99f, 0.1f);
        for (int step = 0; step < 2; step++)
        {
            bench.Run((b, t) => b.Lion([.. twins.Select(twin => new LionTensors(h, t(twin.Value), t(twin.Gradient), t(twin.Moment)))],
                0.5f));
        }
        foreach (var (value, _, moment) in twins)
        {
            bench.Same(value, "parameter", 1e-5);
            bench.Same(moment, "moment");
        }
    }

    private static void Adafactor(ParityBench bench)
    {
        Shape[] shapes = [[bench.Size(5, 515), bench.Size(37, 1027)], [bench.Size(33, 4099), 16], [16, bench.Size(35, 4100)], [1, 1],
            [bench.Size(301, 100_003)], [1], [bench.Size(3, 40), 5, 3, 3]];
        var twins = shapes.Select(shape => Factored(bench, shape)).ToList();
        for (int step = 1; step <= 3; step++)
        {
            var gradients = shapes.Select(shape => bench.Random(shape, scale: step)).ToList();
            bench.Run((b, t) => b.Adafactor([.. twins.Select((twin, i) => new AdafactorTensors(new Optimizers.Adafactor(1e-2f, 0.1f, step),
                t(twin.Value), t(gradients[i]), t(twin.Row), twin.Column is null ? null : t(twin.Column)))], 0.5f));
        }
        foreach (var (value, row, column) in twins)
        {
            bench.Same(value, "parameter", 1e-5);
            bench.Same(row, "moments of rows", 1e-5);
            if (column is not null)
            {
                bench.Same(column, "moments of columns", 1e-5);
            }
        }
    }

    /// <summary>The order of the sums is fixed: the same step twice gives the same bits.</summary>
    private static void AdafactorRepeats(ParityBench bench)
    {
        Shape shape = [bench.Size(70, 700), bench.Size(90, 900)];
        var gradient = bench.Random(shape);
        var start = bench.Random(shape);
        var runs = new List<byte[]>();
        for (int run = 0; run < 2; run++)
        {
            var (value, row, column) = Factored(bench, shape);
            bench.Run((b, t) =>
            {
                b.Copy(t(start), t(value));
                b.Adafactor([new AdafactorTensors(new Optimizers.Adafactor(1e-2f, 0, 1), t(value), t(gradient), t(row), t(column!))], 1);
            });
            runs.Add(value.Device.ToBytes());
        }
        if (!runs[0].AsSpan().SequenceEqual(runs[1]))
        {
            throw new InvalidOperationException("two equal steps differ");
        }
    }

    private static (Twin Value, Twin Row, Twin? Column) Factored(ParityBench bench, Shape shape)
    {
        int[] extents = [.. shape];
        return shape.Rank < 2 ? (bench.Random(shape), Zeros(bench, shape), null)
            : (bench.Random(shape), Zeros(bench, [.. extents[..^1]]), Zeros(bench, [.. extents[..^2], extents[^1]]));
    }

    private static Twin Zeros(ParityBench bench, Shape shape, DType dtype = DType.F32)
    {
        var twin = bench.Empty(shape, dtype);
        bench.Run((b, t) => b.Zero(t(twin)));
        return twin;
    }

    private static void SameCodes(ParityBench bench, Twin codes, string what)
    {
        byte[] expected = codes.Cpu.ToBytes(), actual = codes.Device.ToBytes();
        int different = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            different += expected[i] == actual[i] ? 0 : 1;
            if (Math.Abs(expected[i] - actual[i]) > 1)
            {
                throw new InvalidOperationException($"{what}: element {i} of {expected.Length} is {actual[i]}, expected {expected[i]}");
            }
        }
        // ILGPU's CPU accelerator computes the processor's bits; a card may fuse a product and a sum.
        if (different > bench.Size(0, expected.Length / 1000 + 1))
        {
            throw new InvalidOperationException($"{what}: {different} of {expected.Length} differ");
        }
    }

    /// <summary>A parameter with 8-bit moments.</summary>
    private sealed class Coded(ParityBench bench, int count)
    {
        private readonly Twin _map1 = bench.Floats(DynamicMap.Signed.Values, [256]);
        private readonly Twin _map2 = bench.Floats(DynamicMap.Unsigned.Values, [256]);

        public Twin Value { get; } = bench.Random([count]);

        public Twin First { get; } = Zeros(bench, [count], DType.U8);

        public Twin Second { get; } = Zeros(bench, [count], DType.U8);

        public Twin Absmax1 { get; } = Zeros(bench, [(count + 255) / 256]);

        public Twin Absmax2 { get; } = Zeros(bench, [(count + 255) / 256]);

        public AdamW8BitTensors Tensors(Optimizers.AdamW h, Tensor gradient, Func<Twin, Tensor> t) => new(h, t(Value), gradient, t(First),
            t(Second), new BlockScales(t(Absmax1), t(Absmax2), t(_map1), t(_map2)));
    }
}
