using ILGPU;
using PeftCore.Kernels.Ilgpu.Portable.Rows;

namespace PeftCore.Kernels.Ilgpu.Portable.Elements;

/// <summary>The elements of one tensor that one thread block processes.</summary>
internal struct TensorChunk
{
    /// <summary>Index of the tensor's slot, and the first element.</summary>
    public int Slot, Start;
}

/// <summary>One tensor of a multi-tensor launch.</summary>
internal interface ITensorSlot
{
    /// <summary>Elements of the tensor.</summary>
    int Length { get; }
}

/// <summary>One parameter of an optimizer's launch. Positions are counted in elements from address 0, where the launch's views
/// start.</summary>
/// <typeparam name="TFactors">The factors of the optimizer's step.</typeparam>
internal struct TensorSlot<TFactors> : ITensorSlot where TFactors : unmanaged
{
    public long Parameter, Gradient, First, Second, Bf16Copy;
    public TFactors Factors;
    public int Count, HasBf16Copy;

    public readonly int Length => Count;
}

/// <summary>The arguments of a launch over many tensors.</summary>
/// <typeparam name="TSlot">What the kernel reads of a tensor.</typeparam>
internal struct MultiTensorArgs<TSlot> where TSlot : unmanaged
{
    /// <summary>All of the device's memory, as float32, as BF16 and as bytes.</summary>
    public ArrayView<float> Memory;
    public ArrayView<BFloat16> Bf16Memory;
    public ArrayView<byte> Bytes;
    public ArrayView<TSlot> Slots;
    public ArrayView<TensorChunk> Chunks;
    public ArrayView<float> Sums;

    /// <summary>Elements of a chunk.</summary>
    public int Run;
}

/// <summary>One AdamW step of many parameters, and their BF16 copies for the next products, in one launch.</summary>
internal readonly struct MultiTensorAdam : IKernel<MultiTensorArgs<TensorSlot<AdamFactors>>>
{
    public static void Run(MultiTensorArgs<TensorSlot<AdamFactors>> args)
    {
        var chunk = args.Chunks[Grid.IdxX];
        var slot = args.Slots[chunk.Slot];
        int end = chunk.Start + args.Run < slot.Count ? chunk.Start + args.Run : slot.Count;
        for (int i = chunk.Start + Group.IdxX; i < end; i += Group.DimX)
        {
            AdamStep.One(args.Memory, slot.Parameter + i, slot.Gradient + i, slot.First + i, slot.Second + i, slot.Factors);
            if (slot.HasBf16Copy != 0)
            {
                args.Bf16Memory[slot.Bf16Copy + i] = BFloat16.FromFloat(args.Memory[slot.Parameter + i]);
            }
        }
    }
}

/// <summary>sums[chunk] = Σ term(x) over a chunk of one of many tensors; Parameter is x.</summary>
internal readonly struct MultiTensorSum<TTerm> : IKernel<MultiTensorArgs<TensorSlot<AdamFactors>>> where TTerm : struct, IElementTerm
{
    public static void Run(MultiTensorArgs<TensorSlot<AdamFactors>> args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        var chunk = args.Chunks[Grid.IdxX];
        var slot = args.Slots[chunk.Slot];
        int end = chunk.Start + args.Run < slot.Count ? chunk.Start + args.Run : slot.Count;
        float sum = 0;
        for (int i = chunk.Start + Group.IdxX; i < end; i += Group.DimX)
        {
            sum += TTerm.Of(args.Memory[slot.Parameter + i]);
        }

        sum = Threads.Sum(shared, sum);
        if (Group.IdxX == 0)
        {
            args.Sums[Grid.IdxX] = sum;
        }
    }
}
