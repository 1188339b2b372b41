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

    /// <inheritdoc cref="MultiTensorApply.Version"/>
    public long TableVersion => _multiTensor.Version;

    public void AdamW(in Optimizers.AdamW step, Tensor parameter, Tensor gradient, float gradientScale, Tensor firstMoment,
        Tensor secondMoment) =>
        AdamW([new AdamWTensors(step, parameter, gradient, firstMoment, secondMoment)], gradientScale);

    public void AdamW(ReadOnlySpan<AdamWTensors> parameters, float gradientScale)
    {
        var slots = new List<TensorSlot<AdamFactors>>(parameters.Length);
        foreach (var (step, parameter, gradient, first, second) in parameters)
        {
            AddSlots(slots, parameter, gradient, first, second, AdamFactors.Of(step, gradientScale));
        }
        _multiTensor.Run<MultiTensorAdam, TensorSlot<AdamFactors>>([.. slots], null);
    }

    public void Lion(ReadOnlySpan<LionTensors> parameters, float gradientScale)
    {
        var slots = new List<TensorSlot<LionFactors>>(parameters.Length);
        foreach (var (step, parameter, gradient, moment) in parameters)
        {
            AddSlots(slots, parameter, gradient, moment, null, LionFactors.Of(step, gradientScale));
        }
        _multiTensor.Run<MultiTensorLion, TensorSlot<LionFactors>>([.. slots], null);
    }

    public void AdamW8Bit(ReadOnlySpan<AdamW8BitTensors> parameters, float gradientScale)
    {
        var slots = new List<BlockwiseSlot>(parameters.Length);
        var small = new List<TensorSlot<BlockwiseAdamFactors>>();
        foreach (var (step, parameter, gradient, first, second, scales) in parameters)
        {
            var factors = BlockwiseAdamFactors.Of(step, gradientScale);
            if (scales is null)
            {
                AddSlots(small, parameter, gradient, first, second, factors);
            }
            else
            {
                AddSlots(slots, parameter, gradient, first, second, scales, factors);
            }
        }
        _multiTensor.Run<MultiTensorBlockwiseAdam, BlockwiseSlot>([.. slots], null);
        _multiTensor.Run<MultiTensorSmallBlockwiseAdam, TensorSlot<BlockwiseAdamFactors>>([.. small], null);
    }

    public void Adafactor(ReadOnlySpan<AdafactorTensors> parameters, float gradientScale) =>
        new AdafactorLauncher(gpu, _multiTensor).Run(parameters, gradientScale);

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
        var found = new List<TensorSlot<AdamFactors>>(tensors.Length);
        var copies = new List<Float32Staging>();
        foreach (var tensor in tensors)
        {
            var staged = gpu.StageIn(tensor);
            copies.Add(staged);
            long first = IndexOf(staged.Tensor);
            foreach (var (at, count) in Parts(tensor.Count))
            {
                found.Add(new TensorSlot<AdamFactors> { Parameter = first + at, Count = count });
            }
        }
        TensorSlot<AdamFactors>[] slots = [.. found];
        int chunks = MultiTensorApply.ChunksOf<TensorSlot<AdamFactors>>(slots);
        if (chunks == 0)
        {
            return 0;
        }
        using var partial = new Scratch(gpu, chunks);
        _multiTensor.Run<MultiTensorSum<TTerm>, TensorSlot<AdamFactors>>(slots, partial.View);
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
    private static IEnumerable<(long At, int Count)> Parts(long count)
    {
        for (long at = 0; at < count; at += MostElements)
        {
            yield return (at, (int)Math.Min(MostElements, count - at));
        }
    }

    private void AddSlots<TFactors>(List<TensorSlot<TFactors>> slots, Tensor parameter, Tensor gradient, Tensor first, Tensor? second,
        TFactors factors) where TFactors : unmanaged
    {
        var (copy, hasCopy) = Bf16CopyOf(gpu, parameter);
        foreach (var (at, count) in Parts(parameter.Count))
        {
            slots.Add(new TensorSlot<TFactors>
            {
                Parameter = IndexOf(parameter) + at,
                Gradient = IndexOf(gradient) + at,
                First = IndexOf(first) + at,
                Second = second is null ? 0 : IndexOf(second) + at,
                Bf16Copy = copy + at,
                HasBf16Copy = hasCopy,
                Factors = factors,
                Count = count,
            });
        }
    }

    private void AddSlots(List<BlockwiseSlot> slots, Tensor parameter, Tensor gradient, Tensor first, Tensor second, BlockScales scales,
        BlockwiseAdamFactors factors)
    {
        var (copy, hasCopy) = Bf16CopyOf(gpu, parameter);
        foreach (var (at, count) in Parts(parameter.Count))
        {
            long block = at / BlockwiseAdamFactors.BlockSize;
            slots.Add(new BlockwiseSlot
            {
                Parameter = IndexOf(parameter) + at,
                Gradient = IndexOf(gradient) + at,
                First = Address(first) + at,
                Second = Address(second) + at,
                FirstScale = IndexOf(scales.Absmax1) + block,
                SecondScale = IndexOf(scales.Absmax2) + block,
                FirstMap = IndexOf(scales.Map1),
                SecondMap = IndexOf(scales.Map2),
                Bf16Copy = copy + at,
                HasBf16Copy = hasCopy,
                Factors = factors,
                Count = count,
            });
        }
    }

    /// <summary>The position of a parameter's BF16 copy, counted in elements from address 0, if it has one. The parameter is
    /// written.</summary>
    internal static (long Index, int Exists) Bf16CopyOf(LaunchContext gpu, Tensor parameter)
    {
        gpu.Written(parameter);
        return gpu.Bf16Weights.ToUpdate(parameter) is { } copy ? (Address(copy) / sizeof(ushort), 1) : (0, 0);
    }

    // Index of the first element, counted in elements from address 0.
    internal static long IndexOf(Tensor tensor) => tensor.DType == DType.F32
        ? Address(tensor) / sizeof(float)
        : throw new InvalidOperationException($"an F32 tensor was expected, not {tensor}");
}
