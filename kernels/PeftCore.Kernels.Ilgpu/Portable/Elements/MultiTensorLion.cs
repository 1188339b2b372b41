using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Elements;

/// <summary>One Lion step of many parameters, and their BF16 copies for the next products, in one launch. First is the moment.</summary>
internal readonly struct MultiTensorLion : IKernel<MultiTensorArgs<TensorSlot<LionFactors>>>
{
    public static void Run(MultiTensorArgs<TensorSlot<LionFactors>> args)
    {
        var chunk = args.Chunks[Grid.IdxX];
        var slot = args.Slots[chunk.Slot];
        int end = chunk.Start + args.Run < slot.Count ? chunk.Start + args.Run : slot.Count;
        for (int i = chunk.Start + Group.IdxX; i < end; i += Group.DimX)
        {
            float m = args.Memory[slot.First + i], g = args.Memory[slot.Gradient + i];
            float p = slot.Factors.Value(args.Memory[slot.Parameter + i], m, g);
            args.Memory[slot.First + i] = slot.Factors.Moment(m, g);
            args.Memory[slot.Parameter + i] = p;
            if (slot.HasBf16Copy != 0)
            {
                args.Bf16Memory[slot.Bf16Copy + i] = BFloat16.FromFloat(p);
            }
        }
    }
}
