using System.Runtime.InteropServices;
using ILGPU;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Portable.Elements;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

/// <summary>Multi-tensor apply: runs one kernel over many tensors by a table of them, and a list of the runs of elements that thread blocks
/// take, which stays on the device while the sizes are the same.</summary>
internal sealed class MultiTensorApply(IlgpuBackend backend) : IDisposable
{
    /// <summary>Elements of a chunk: what one thread block works on.</summary>
    internal const int Chunk = 4096;

    private readonly Dictionary<string, (Storage Table, int Count)> _chunks = [];

    /// <summary>Thread blocks that the slots take.</summary>
    public static int ChunksOf(ReadOnlySpan<TensorSlot> slots)
    {
        int chunks = 0;
        foreach (var slot in slots)
        {
            chunks += SplitKSchedule.Count(slot.Count, Chunk);
        }
        return chunks;
    }

    /// <summary>Queues the kernel; with sums there is one for each chunk.</summary>
    public void Run<TKernel>(TensorSlot[] slots, ArrayView<float>? sums) where TKernel : struct, IKernel<MultiTensorArgs>
    {
        var (table, count) = ChunkTable(slots);
        if (count == 0)
        {
            return;
        }
        var device = backend.Device;
        // A view of memory starts at a multiple of its elements' size, which for these is no power of two.
        nint size = Marshal.SizeOf<TensorSlot>();
        var described = backend.Allocate((slots.Length + 1L) * size, MemoryKind.Workspace);
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
        var table = backend.Allocate(8L * chunks.Count, MemoryKind.Workspace);
        backend.Device.Memory.Upload(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(chunks)), table.Address);
        return _chunks[sizes] = (table, chunks.Count);
    }
}
