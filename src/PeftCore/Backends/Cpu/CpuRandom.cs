using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Dropout and random fills, by the counter-based generator Philox.</summary>
internal sealed class CpuRandom(CpuStream stream, PackedWeights? packed) : CpuLauncher(stream, packed)
{
    public void Dropout(Tensor x, Tensor y, float probability, ulong seed, ulong stream, bool accumulate) =>
        Launch(LaunchCost.Of("dropout", x, y), (x: In(x), y: Out(y), probability, seed, stream, accumulate),
            static (c, s) => Philox.Dropout(c.x.F32, c.y.F32, c.probability, c.seed, c.stream + s.ReplayedPasses, c.accumulate, s.Pool));

    public void FillUniform(Tensor y, float low, float high, ulong seed, ulong stream)
    {
        Stream.BreakCapture(); // How the seed and stream of a fill change from pass to pass is not defined.
        Philox.FillUniform(Out(y).F32, low, high, seed, stream);
    }

    public void FillNormal(Tensor y, float mean, float standardDeviation, ulong seed, ulong stream)
    {
        Stream.BreakCapture();
        Philox.FillNormal(Out(y).F32, mean, standardDeviation, seed, stream);
    }
}
