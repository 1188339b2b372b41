using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ILGPU;
using PeftCore.Backends;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Portable.Elements;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

/// <summary>Multi-tensor apply: one launch over many tensors. The kernel reads a table of the tensors, and a list of chunks, one per thread
/// block; the list is cached on the device for tensors of the same sizes. Lists stay between steps, so that they are memory beside the
/// arena: within it they would divide the free blocks of a step, which a plan does not know.</summary>
internal sealed class MultiTensorApply(LaunchContext gpu) : IDisposable
{
    /// <summary>Elements of a chunk, the work of one thread block.</summary>
    internal const int Chunk = 4096;

    private const int MaxChunkLists = 16;

    private readonly Dictionary<string, ChunkList> _chunks = [];

    /// <summary>Changes when lists are freed, whose addresses a captured graph may hold.</summary>
    public long Version { get; private set; }

    /// <summary>Number of chunks, and so of thread blocks, of these tensors.</summary>
    public static int ChunksOf<TSlot>(ReadOnlySpan<TSlot> slots) where TSlot : unmanaged, ITensorSlot
    {
        int chunks = 0;
        foreach (var slot in slots)
        {
            chunks += SplitKSchedule.Count(slot.Length, Chunk);
        }
        return chunks;
    }

    /// <summary>Queues a kernel whose chunks are runs of <see cref="Chunk"/> elements. <paramref name="sums"/> has an element for each
    /// chunk, or is null.</summary>
    public void Run<TKernel, TSlot>(TSlot[] slots, ArrayView<float>? sums)
        where TKernel : struct, IKernel<MultiTensorArgs<TSlot>>
        where TSlot : unmanaged, ITensorSlot
    {
        if (ChunksOf<TSlot>(slots) > 0)
        {
            using var table = Upload(slots);
            Run<TKernel, TSlot>(table, [.. slots.Select(slot => slot.Length)], Chunk, sums);
        }
    }

    /// <summary>Copies the slots to the device for several launches.</summary>
    public SlotTable<TSlot> Upload<TSlot>(TSlot[] slots) where TSlot : unmanaged => new(gpu, slots);

    /// <summary>Queues a kernel over the slots of a table.</summary>
    /// <param name="table">The slots.</param>
    /// <param name="items">The items of each slot.</param>
    /// <param name="step">Items of a chunk; a chunk's Start is the first.</param>
    /// <param name="sums">Workspace of the kernel, or null.</param>
    public void Run<TKernel, TSlot>(SlotTable<TSlot> table, int[] items, int step, ArrayView<float>? sums)
        where TKernel : struct, IKernel<MultiTensorArgs<TSlot>>
        where TSlot : unmanaged
    {
        var list = ListOf(items, step);
        if (list.Count == 0)
        {
            return;
        }
        var device = gpu.Device;
        device.Run<TKernel, MultiTensorArgs<TSlot>>(list.Count, 1, new MultiTensorArgs<TSlot>
        {
            Memory = device.Space.View<float>(0, long.MaxValue / sizeof(float)),
            Bf16Memory = device.Space.View<BFloat16>(0, long.MaxValue / sizeof(ushort)),
            Bytes = device.Space.View<byte>(0, long.MaxValue),
            Slots = table.View,
            Chunks = device.Space.View<TensorChunk>(list.Address, list.Count),
            Sums = sums ?? device.Space.View<float>(0, 0),
            Run = Chunk,
        });
    }

    public void Dispose()
    {
        foreach (var list in _chunks.Values)
        {
            gpu.Backend.Memory.Add(-list.Bytes, MemoryKind.Workspace);
            gpu.Device.Memory.Return(list.Address, list.Bytes);
        }
        _chunks.Clear();
    }

    private ChunkList ListOf(int[] items, int step)
    {
        string sizes = $"{step}:{string.Join(',', items)}";
        if (_chunks.TryGetValue(sizes, out var known))
        {
            return known;
        }
        var chunks = new List<TensorChunk>();
        for (int slot = 0; slot < items.Length; slot++)
        {
            for (int start = 0; start < items[slot]; start += step)
            {
                chunks.Add(new TensorChunk { Slot = slot, Start = start });
            }
        }
        if (chunks.Count == 0)
        {
            return default;
        }
        if (_chunks.Count == MaxChunkLists)
        {
            gpu.Device.Memory.BreakCapture?.Invoke();
            gpu.Backend.Synchronize(); // Queued launches read the lists.
            Dispose();
            Version++;
        }
        long bytes = Arena.Round(Unsafe.SizeOf<TensorChunk>() * (long)chunks.Count);
        var list = new ChunkList(gpu.Device.Memory.Take(bytes), bytes, chunks.Count);
        gpu.Backend.Memory.Add(bytes, MemoryKind.Workspace);
        gpu.Device.Memory.Upload(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(chunks)), list.Address);
        return _chunks[sizes] = list;
    }

    private readonly record struct ChunkList(nint Address, long Bytes, int Count);
}

/// <summary>Slots on the device. The memory is freed as soon as the launches are queued: whatever takes it next comes later in the
/// stream.</summary>
internal readonly struct SlotTable<TSlot> : IDisposable where TSlot : unmanaged
{
    private readonly Storage _storage;

    public SlotTable(LaunchContext gpu, TSlot[] slots)
    {
        // A view starts at a multiple of its element size, which is not a power of two here.
        nint size = Unsafe.SizeOf<TSlot>();
        _storage = gpu.Backend.Allocate((slots.Length + 1L) * size, MemoryKind.Workspace);
        nint first = (_storage.Address + size - 1) / size * size;
        gpu.Device.Memory.Upload(MemoryMarshal.AsBytes<TSlot>(slots), first);
        View = gpu.Device.Space.View<TSlot>(first, slots.Length);
    }

    public ArrayView<TSlot> View { get; }

    public void Dispose() => _storage.Release();
}
