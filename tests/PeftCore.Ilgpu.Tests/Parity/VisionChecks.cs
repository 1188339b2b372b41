namespace PeftCore.Ilgpu.Tests;

internal static class VisionChecks
{
    public static IEnumerable<(string Name, Action<ParityBench> Body)> All => [("picture_patches", Patches)];

    private static void Patches(ParityBench bench)
    {
        int channels = 3, size = bench.Size(2, 16), height = bench.Size(7, 224), width = bench.Size(4, 230);
        Twin x = bench.Random([2, channels, height, width]),
            y = bench.Empty([2, height / size * (width / size), channels * size * size]), dy = bench.Random(y.Cpu.Shape);
        bench.Run((b, t) => b.Patches(t(x), size, t(y)));
        bench.Same(y, "patches", 0);
        foreach (bool accumulate in new[] { false, true })
        {
            var dx = bench.Target(x.Cpu.Shape, accumulate);
            bench.Run((b, t) => b.PatchesGradient(t(dy), size, t(dx), accumulate));
            bench.Same(dx, "gradient", 0);
        }
    }
}
