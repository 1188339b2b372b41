using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Kernels.Ilgpu.Portable.Elements;
using PeftCore.Kernels.Ilgpu.Portable.Rows;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

internal sealed partial class IlgpuBackend
{
    /// <inheritdoc/>
    public void AdamW(in Optimizers.AdamW step, Tensor parameter, Tensor gradient, float gradientScale, Tensor firstMoment,
        Tensor secondMoment) =>
        AdamW([new AdamWTensors(step, parameter, gradient, firstMoment, secondMoment)], gradientScale);

    /// <inheritdoc/>
    public void AdamW(ReadOnlySpan<AdamWTensors> parameters, float gradientScale)
    {
        var slots = new TensorSlot[parameters.Length];
        for (int i = 0; i < slots.Length; i++)
        {
            var (step, parameter, gradient, first, second) = parameters[i];
            Written(parameter);
            var bf16Copy = _bf16Weights.ToUpdate(parameter);
            slots[i] = new TensorSlot
            {
                Parameter = IndexOf(parameter),
                Gradient = IndexOf(gradient),
                First = IndexOf(first),
                Second = IndexOf(second),
                Bf16Copy = bf16Copy is null ? 0 : Address(bf16Copy) / sizeof(ushort),
                HasBf16Copy = Flag(bf16Copy is not null),
                Count = checked((int)parameter.Count),
                Factors = AdamFactors.Of(step, gradientScale),
            };
        }
        _multiTensor.Run<MultiTensorAdam>(slots, null);
    }

    /// <inheritdoc/>
    public void Sgd(Tensor parameter, Tensor gradient, float gradientScale, Tensor? momentumBuffer, float learningRate, float momentum,
        float weightDecay, bool nesterov, bool firstStep)
    {
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
        Written(parameter);
    }

    /// <inheritdoc/>
    public double SumOfSquares(Tensor x) => Sum<SquareTerm>([x]);

    /// <inheritdoc/>
    public double SumOfSquares(ReadOnlySpan<Tensor> tensors) => Sum<SquareTerm>(tensors);

    /// <inheritdoc/>
    public bool AllFinite(Tensor x) => Sum<FiniteTerm>([x]) == 0;

    // Whatever the number of tensors, there is one launch and the host waits once.
    private double Sum<TTerm>(ReadOnlySpan<Tensor> tensors) where TTerm : struct, IElementTerm
    {
        var slots = new TensorSlot[tensors.Length];
        var copies = new List<Float32Staging>();
        for (int i = 0; i < slots.Length; i++)
        {
            var wide = StageIn(tensors[i]);
            copies.Add(wide);
            slots[i] = new TensorSlot { Parameter = IndexOf(wide.Tensor), Count = checked((int)wide.Tensor.Count) };
        }
        int chunks = MultiTensorApply.ChunksOf(slots);
        if (chunks == 0)
        {
            return 0;
        }
        using var partial = new Scratch(this, chunks);
        _multiTensor.Run<MultiTensorSum<TTerm>>(slots, partial.View);
        copies.ForEach(copy => copy.Dispose());
        float[] host = new float[chunks];
        _device.Memory.Download(partial.Address, System.Runtime.InteropServices.MemoryMarshal.AsBytes(host.AsSpan()));
        double total = 0;
        foreach (float sum in host)
        {
            total += sum;
        }
        return total;
    }

    private static long IndexOf(Tensor tensor) => tensor.DType == DType.F32
        ? Address(tensor) / sizeof(float)
        : throw new InvalidOperationException($"an F32 tensor was expected, not {tensor}");
}
