using System.Runtime.InteropServices;
using ILGPU;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Portable.Elements;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

/// <summary>Multi-tensor apply: one launch over many tensors. The kernel reads a table of the tensors, and a list of chunks, one per thread
/// block; the list is cached on the device for tensors of the same sizes.</summary>
internal sealed class MultiTensorApply(LaunchContext gpu) : IDisposable
{
    /// <summary>Elements of a chunk, the work of one thread block.</summary>
    internal const int Chunk = 4096;

    private readonly Dictionary<string, (Storage Table, int Count)> _chunks = [];

    /// <summary>Number of chunks, and so of thread blocks, of these tensors.</summary>
    public static int ChunksOf(ReadOnlySpan<TensorSlot> slots)
    {
        int chunks = 0;
        foreach (var slot in slots)
        {
            chunks += SplitKSchedule.Count(slot.Count, Chunk);
        }
        return chunks;
    }

    /// <summary>Queues the kernel. <paramref name="sums"/> has an element for each chunk, or is null.</summary>
    public void Run<TKernel>(TensorSlot[] slots, ArrayView<float>? sums) where TKernel : struct, IKernel<MultiTensorArgs>
    {
        var (table, count) = ChunkTable(slots);
        if (count == 0)
        {
            return;
        }
        var device = gpu.Device;
        // A view starts at a multiple of its element size, which is not a power of two here.
        nint size = Marshal.SizeOf<TensorSlot>();
        var described = gpu.Backend.Allocate((slots.Length + 1L) * size, MemoryKind.Workspace);
        nint first = (described.Address + size - 1) / size * size;
        device.Memory.Upload(MemoryMarshal.AsBytes<TensorSlot>(slots), first);
        device.Run<TKernel, MultiTensorArgs>(count, 1, new MultiTensorArgs
        {
            Memory = device.Space.View<float>(0, long.MaxValue / sizeof(float)),
            Bf16Memory = device.Space.View<BFloat16>(0, long.MaxValue / sizeof(ushort)),
            Slots = device.Space.View<TensorSlot>(first, slots.Length),
            Chunks = device.Space.View<TensorChunk>(table.Address, count),
            Sums = sums ?? device.Space.View<float>(0, 0),
            Run = Chunk,
        });
        described.Release();
    }

    public void Dispose()
    {
        foreach (var (table, _) in _chunks.Values)
        {
            table.Release();
        }
        _chunks.Clear();
    }

    private (Storage Table, int Count) ChunkTable(TensorSlot[] slots)
    {
        string sizes = string.Join(',', slots.Select(slot => slot.Count));
        if (_chunks.TryGetValue(sizes, out var known))
        {
            return known;
        }
        var chunks = new List<TensorChunk>();
        for (int slot = 0; slot < slots.Length; slot++)
        {
            for (int start = 0; start < slots[slot].Count; start += Chunk)
            {
                chunks.Add(new TensorChunk { Slot = slot, Start = start });
            }
        }
        if (_chunks.Count == 8)
        {
            Dispose();
        }
        var table = gpu.Backend.Allocate(8L * chunks.Count, MemoryKind.Workspace);
        gpu.Device.Memory.Upload(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(chunks)), table.Address);
        return _chunks[sizes] = (table, chunks.Count);
    }
}
