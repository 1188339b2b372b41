using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Dropout and random fills, by the counter-based generator Philox.</summary>
internal sealed class CpuRandom(CpuStream stream, PackedWeights? packed) : CpuLauncher(stream, packed)
{
    public void Dropout(Tensor x, Tensor y, float probability, ulong seed, ulong stream, bool accumulate) =>
        Launch(LaunchCost.Of("dropout", x, y), (x: In(x), y: Out(y), probability, seed, stream, accumulate), static (c, s) =>
        {
            foreach (var part in s.PartsOf(c.x))
            {
                Philox.Dropout(c.x[part].F32, c.y[part].F32, c.probability, c.seed, c.stream + s.ReplayedPasses, c.accumulate, s.Pool,
                    (ulong)part.First);
            }
        });

    public void FillUniform(Tensor y, float low, float high, ulong seed, ulong stream, long first)
    {
        Stream.BreakCapture(); // How the seed and stream of a fill change from pass to pass is not defined.
        var to = Out(y);
        foreach (var part in Stream.PartsOf(to))
        {
            Philox.FillUniform(to[part].F32, low, high, seed, stream, (ulong)(first + part.First), Stream.Pool);
        }
    }

    public void FillNormal(Tensor y, float mean, float standardDeviation, ulong seed, ulong stream, long first)
    {
        Stream.BreakCapture();
        var to = Out(y);
        foreach (var part in Stream.PartsOf(to))
        {
            Philox.FillNormal(to[part].F32, mean, standardDeviation, seed, stream, (ulong)(first + part.First), Stream.Pool);
        }
    }
}
