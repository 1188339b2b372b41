using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Elements;

/// <summary>One parameter whose moments have 8 bits: First and Second are positions of codes in bytes, the rest counts F32 or BF16
/// elements from address 0.</summary>
internal struct BlockwiseSlot : ITensorSlot
{
    public long Parameter, Gradient, First, Second, FirstScale, SecondScale, FirstMap, SecondMap, Bf16Copy;
    public BlockwiseAdamFactors Factors;
    public int Count, HasBf16Copy;

    public readonly int Length => Count;
}

/// <summary>One AdamW step of many parameters with 8-bit moments, in one launch; a chunk is whole blocks of 256. The processor's
/// BlockwiseAdamBody explains the step.</summary>
internal readonly struct MultiTensorBlockwiseAdam : IKernel<MultiTensorArgs<BlockwiseSlot>>
{
    private const int Block = BlockwiseAdamFactors.BlockSize;

    public static void Run(MultiTensorArgs<BlockwiseSlot> args)
    {
        ArrayView<float> map1 = SharedMemory.Allocate<float>(DynamicMap.Count), map2 = SharedMemory.Allocate<float>(DynamicMap.Count);
        ArrayView<float> middle1 = SharedMemory.Allocate<float>(DynamicMap.Count), middle2 = SharedMemory.Allocate<float>(DynamicMap.Count);
        ArrayView<float> first = SharedMemory.Allocate<float>(Block), second = SharedMemory.Allocate<float>(Block);
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        var chunk = args.Chunks[Grid.IdxX];
        var slot = args.Slots[chunk.Slot];
        for (int i = Group.IdxX; i < DynamicMap.Count; i += Group.DimX)
        {
            map1[i] = args.Memory[slot.FirstMap + i];
            map2[i] = args.Memory[slot.SecondMap + i];
        }

        Group.Barrier();
        for (int i = Group.IdxX; i < DynamicMap.Count - 1; i += Group.DimX)
        {
            middle1[i] = (map1[i] + map1[i + 1]) * 0.5f;
            middle2[i] = (map2[i] + map2[i + 1]) * 0.5f;
        }

        Group.Barrier();
        int end = chunk.Start + args.Run < slot.Count ? chunk.Start + args.Run : slot.Count;
        for (int start = chunk.Start; start < end; start += Block)
        {
            int count = end - start < Block ? end - start : Block;
            long block = start / Block;
            float scale1 = args.Memory[slot.FirstScale + block], scale2 = args.Memory[slot.SecondScale + block], max1 = 0, max2 = 0;
            for (int i = Group.IdxX; i < count; i += Group.DimX)
            {
                float p = args.Memory[slot.Parameter + start + i], g = args.Memory[slot.Gradient + start + i], m = 0, v = 0;
                if (g - g == 0) // Finite.
                {
                    m = slot.Factors.First(map1[(int)args.Bytes[slot.First + start + i]] * scale1, g);
                    v = slot.Factors.Second(map2[(int)args.Bytes[slot.Second + start + i]] * scale2, g);
                    p = slot.Factors.Value(p, m, v);
                    args.Memory[slot.Parameter + start + i] = p;
                }

                if (slot.HasBf16Copy != 0)
                {
                    args.Bf16Memory[slot.Bf16Copy + start + i] = BFloat16.FromFloat(p);
                }

                first[i] = m;
                second[i] = v;
                float size = m < 0 ? -m : m;
                max1 = size > max1 ? size : max1;
                max2 = v > max2 ? v : max2;
            }

            // These wait for every thread, so that all have read the old scales.
            max1 = Threads.Max(shared, max1);
            max2 = Threads.Max(shared, max2);
            if (Group.IdxX == 0)
            {
                args.Memory[slot.FirstScale + block] = max1;
                args.Memory[slot.SecondScale + block] = max2;
            }

            for (int i = Group.IdxX; i < count; i += Group.DimX)
            {
                float m = first[i];
                int code = Encode(middle1, m / max1);
                if ((Interop.FloatAsInt(map1[code]) < 0) != (Interop.FloatAsInt(m) < 0))
                {
                    code += m > 0 ? 1 : -1;
                }

                args.Bytes[slot.First + start + i] = (byte)(code & (DynamicMap.Count - 1));
                args.Bytes[slot.Second + start + i] = (byte)Encode(middle2, second[i] / max2);
            }
        }
    }

    /// <summary><see cref="DynamicMap.Encode"/>.</summary>
    private static int Encode(ArrayView<float> middle, float x)
    {
        int code = 0;
        for (int step = DynamicMap.Count / 2; step > 1; step /= 2)
        {
            code += x >= middle[code + step - 1] ? step : 0;
        }

        return code + (x > middle[code] ? 1 : 0);
    }
}

/// <summary>The same step of parameters whose moments are F32, because they are small.</summary>
internal readonly struct MultiTensorSmallBlockwiseAdam : IKernel<MultiTensorArgs<TensorSlot<BlockwiseAdamFactors>>>
{
    public static void Run(MultiTensorArgs<TensorSlot<BlockwiseAdamFactors>> args)
    {
        var chunk = args.Chunks[Grid.IdxX];
        var slot = args.Slots[chunk.Slot];
        int end = chunk.Start + args.Run < slot.Count ? chunk.Start + args.Run : slot.Count;
        for (int i = chunk.Start + Group.IdxX; i < end; i += Group.DimX)
        {
            float g = args.Memory[slot.Gradient + i];
            float m = slot.Factors.First(args.Memory[slot.First + i], g), v = slot.Factors.Second(args.Memory[slot.Second + i], g);
            float p = slot.Factors.Value(args.Memory[slot.Parameter + i], m, v);
            args.Memory[slot.First + i] = m;
            args.Memory[slot.Second + i] = v;
            args.Memory[slot.Parameter + i] = p;
            if (slot.HasBf16Copy != 0)
            {
                args.Bf16Memory[slot.Bf16Copy + i] = BFloat16.FromFloat(p);
            }
        }
    }
}
