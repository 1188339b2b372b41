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
    public double SumOfSquares(Tensor x) => Sum<SquareTerm>([x]);

    /// <inheritdoc/>
    public double SumOfSquares(ReadOnlySpan<Tensor> tensors) => Sum<SquareTerm>(tensors);

    /// <inheritdoc/>
    public bool AllFinite(Tensor x) => Sum<FiniteTerm>([x]) == 0;

    // Whatever the number of tensors, the host waits once.
    private double Sum<TTerm>(ReadOnlySpan<Tensor> tensors) where TTerm : struct, IElementTerm
    {
        int all = 0;
        foreach (var tensor in tensors)
        {
            all += PartialSumsOf(tensor);
        }
        if (all == 0)
        {
            return 0;
        }
        using var partial = new Scratch(this, all);
        int first = 0;
        foreach (var tensor in tensors)
        {
            int count = PartialSumsOf(tensor);
            var sums = _device.Space.View<float>(partial.Address + (nint)(first * sizeof(float)), count);
            _device.Run<PartialSums<TTerm>, PartialSumArgs>(count, 1, new PartialSumArgs { X = F32(tensor), Sums = sums });
            first += count;
        }
        var host = new float[all];
        _device.Memory.Download(partial.Address, System.Runtime.InteropServices.MemoryMarshal.AsBytes(host.AsSpan()));
        double total = 0;
        foreach (float sum in host)
        {
            total += sum;
        }
        return total;
    }

    private int PartialSumsOf(Tensor x) => (int)Math.Min(MostPartialSums, (x.Count + (8L * _device.GroupSize) - 1) / (8L * _device.GroupSize));
}
