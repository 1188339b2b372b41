using PeftCore.Kernels;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

internal sealed partial class IlgpuBackend
{
    private const int MostPartialSums = 1024;

    /// <inheritdoc/>
    public void AdamW(in Optimizers.AdamW step, Tensor parameter, Tensor gradient, float gradientScale, Tensor firstMoment, Tensor secondMoment) =>
        _device.ForEach<AdamStep, AdamArgs>(parameter.Count, new AdamArgs
        {
            Parameter = F32(parameter),
            Gradient = F32(gradient),
            First = F32(firstMoment),
            Second = F32(secondMoment),
            Factors = AdamFactors.Of(step, gradientScale),
        });

    /// <inheritdoc/>
    public void Sgd(Tensor parameter, Tensor gradient, float gradientScale, Tensor? momentumBuffer, float learningRate, float momentum,
        float weightDecay, bool nesterov, bool firstStep) =>
        _device.ForEach<SgdStep, SgdArgs>(parameter.Count, new SgdArgs
        {
            Parameter = F32(parameter),
            Gradient = F32(gradient),
            Buffer = F32OrNone(momentumBuffer),
            GradientScale = gradientScale,
            LearningRate = learningRate,
            Momentum = momentum,
            WeightDecay = weightDecay,
            HasBuffer = Flag(momentumBuffer is not null),
            Nesterov = Flag(nesterov),
            FirstStep = Flag(firstStep),
        });

    /// <inheritdoc/>
    public double SumOfSquares(Tensor x) => Sum<SquareTerm>(x);

    /// <inheritdoc/>
    public bool AllFinite(Tensor x) => Sum<FiniteTerm>(x) == 0;

    private double Sum<TTerm>(Tensor x) where TTerm : struct, IElementTerm
    {
        if (x.Count == 0)
        {
            return 0;
        }
        int groups = (int)Math.Min(MostPartialSums, (x.Count + (8L * _device.GroupSize) - 1) / (8L * _device.GroupSize));
        using var partial = new Scratch(this, groups);
        _device.Run<PartialSums<TTerm>, PartialSumArgs>(groups, 1, new PartialSumArgs { X = F32(x), Sums = partial.View });
        var sums = new float[groups];
        _device.Memory.Download(partial.Address, System.Runtime.InteropServices.MemoryMarshal.AsBytes(sums.AsSpan()));
        double total = 0;
        foreach (float sum in sums)
        {
            total += sum;
        }
        return total;
    }
}
