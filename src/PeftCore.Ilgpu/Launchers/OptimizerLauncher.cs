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
    /// <summary>Elements of a slot: a multiple of a chunk.</summary>
    private const int MostElements = 1 << 30;

    private readonly MultiTensorApply _multiTensor = new(gpu);

    public void AdamW(in Optimizers.AdamW step, Tensor parameter, Tensor gradient, float gradientScale, Tensor firstMoment,
        Tensor secondMoment) =>
        AdamW([new AdamWTensors(step, parameter, gradient, firstMoment, secondMoment)], gradientScale);

    public void AdamW(ReadOnlySpan<AdamWTensors> parameters, float gradientScale)
    {
        var slots = new List<TensorSlot>(parameters.Length);
        foreach (var (step, parameter, gradient, first, second) in parameters)
        {
            gpu.Written(parameter);
            var bf16Copy = gpu.Bf16Weights.ToUpdate(parameter);
            AddSlots(slots, parameter.Count, new TensorSlot
            {
                Parameter = IndexOf(parameter),
                Gradient = IndexOf(gradient),
                First = IndexOf(first),
                Second = IndexOf(second),
                Bf16Copy = bf16Copy is null ? 0 : Address(bf16Copy) / sizeof(ushort),
                HasBf16Copy = Flag(bf16Copy is not null),
                Factors = AdamFactors.Of(step, gradientScale),
            });
        }
        _multiTensor.Run<MultiTensorAdam>([.. slots], null);
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
        var found = new List<TensorSlot>(tensors.Length);
        var copies = new List<Float32Staging>();
        foreach (var tensor in tensors)
        {
            var staged = gpu.StageIn(tensor);
            copies.Add(staged);
            AddSlots(found, tensor.Count, new TensorSlot { Parameter = IndexOf(staged.Tensor) });
        }
        TensorSlot[] slots = [.. found];
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

    // A slot counts its elements in 32 bits: a larger tensor has several.
    private static void AddSlots(List<TensorSlot> slots, long count, TensorSlot slot)
    {
        for (long at = 0; at < count; at += MostElements)
        {
            slots.Add(slot with
            {
                Parameter = slot.Parameter + at,
                Gradient = slot.Gradient + at,
                First = slot.First + at,
                Second = slot.Second + at,
                Bf16Copy = slot.Bf16Copy + at,
                Count = (int)Math.Min(MostElements, count - at),
            });
        }
    }

    // Index of the first element, counted in elements from address 0.
    private static long IndexOf(Tensor tensor) => tensor.DType == DType.F32
        ? Address(tensor) / sizeof(float)
        : throw new InvalidOperationException($"an F32 tensor was expected, not {tensor}");
}
