using System.Runtime.InteropServices;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Kernels.Ilgpu.Portable.Elements;
using PeftCore.Kernels.Ilgpu.Portable.Rows;
using PeftCore.Tensors;
using static PeftCore.Ilgpu.LaunchContext;

namespace PeftCore.Ilgpu;

/// <summary>Optimizer steps, and sums over all elements of many tensors. The workspace is the chunk tables of
/// <see cref="MultiTensorApply"/>.</summary>
internal sealed class OptimizerLauncher(LaunchContext gpu) : IDisposable
{
    private readonly MultiTensorApply _multiTensor = new(gpu);

    public void AdamW(in Optimizers.AdamW step, Tensor parameter, Tensor gradient, float gradientScale, Tensor firstMoment,
        Tensor secondMoment) =>
        AdamW([new AdamWTensors(step, parameter, gradient, firstMoment, secondMoment)], gradientScale);

    public void AdamW(ReadOnlySpan<AdamWTensors> parameters, float gradientScale)
    {
        var slots = new TensorSlot[parameters.Length];
        for (int i = 0; i < slots.Length; i++)
        {
            var (step, parameter, gradient, first, second) = parameters[i];
            gpu.Written(parameter);
            var bf16Copy = gpu.Bf16Weights.ToUpdate(parameter);
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

    public void Sgd(Tensor parameter, Tensor gradient, float gradientScale, Tensor? momentumBuffer, float learningRate, float momentum,
        float weightDecay, bool nesterov, bool firstStep)
    {
        gpu.ForEach<SgdStep, SgdArgs>(parameter.Count, new SgdArgs
        {
            Parameter = gpu.F32(parameter),
            Gradient = gpu.F32(gradient),
            Buffer = gpu.F32OrNone(momentumBuffer),
            GradientScale = gradientScale,
            LearningRate = learningRate,
            Momentum = momentum,
            WeightDecay = weightDecay,
            HasBuffer = Flag(momentumBuffer is not null),
            Nesterov = Flag(nesterov),
            FirstStep = Flag(firstStep),
        });
        gpu.Written(parameter);
    }

    public double SumOfSquares(Tensor x) => Sum<SquareTerm>([x]);

    public double SumOfSquares(ReadOnlySpan<Tensor> tensors) => Sum<SquareTerm>(tensors);

    public bool AllFinite(Tensor x) => Sum<FiniteTerm>([x]) == 0;

    public void Dispose() => _multiTensor.Dispose();

    // One launch and one wait of the host, whatever the number of tensors.
    private double Sum<TTerm>(ReadOnlySpan<Tensor> tensors) where TTerm : struct, IElementTerm
    {
        var slots = new TensorSlot[tensors.Length];
        var copies = new List<Float32Staging>();
        for (int i = 0; i < slots.Length; i++)
        {
            var staged = gpu.StageIn(tensors[i]);
            copies.Add(staged);
            slots[i] = new TensorSlot { Parameter = IndexOf(staged.Tensor), Count = checked((int)staged.Tensor.Count) };
        }
        int chunks = MultiTensorApply.ChunksOf(slots);
        if (chunks == 0)
        {
            return 0;
        }
        using var partial = new Scratch(gpu, chunks);
        _multiTensor.Run<MultiTensorSum<TTerm>>(slots, partial.View);
        copies.ForEach(copy => copy.Dispose());
        float[] host = new float[chunks];
        gpu.Device.Memory.Download(partial.Address, MemoryMarshal.AsBytes(host.AsSpan()));
        double total = 0;
        foreach (float sum in host)
        {
            total += sum;
        }
        return total;
    }

    // Index of the first element, counted in elements from address 0.
    private static long IndexOf(Tensor tensor) => tensor.DType == DType.F32
        ? Address(tensor) / sizeof(float)
        : throw new InvalidOperationException($"an F32 tensor was expected, not {tensor}");
}
