using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Nn;

/// <summary>Streams the frozen matrices of a model's offloaded blocks from host memory to two slots on the device, ahead of use. The order
/// of use is known: forward 0 … n − 1, backward n − 1 … 0. Block i uses slot i mod 2, always at the same addresses, so that ops, saved
/// weights and captured graphs refer to a slot as to any other memory. When a block has run, its slot is free, and the copy of the next
/// block that uses it begins, while the other slot's block computes. The last two blocks of a forward pass stay for the backward pass, the
/// first two of a backward pass for the next step. A block that is not where this order predicts is copied when it is needed: the order
/// decides the speed, never the values.</summary>
internal sealed class LayerStreamer : IDisposable
{
    /// <summary>Slots: one computes, the other is filled.</summary>
    public const int SlotCount = 2;

    private readonly Backend _backend;
    private readonly CopyEngine _copies;
    private readonly Dictionary<int, StreamedBlock> _blocks = [];
    private readonly StreamedBlock[] _order;
    private readonly Slot[] _slots;

    // The first offloaded block whose backward pass will run.
    private int _lowest = int.MaxValue;
    private bool _disposed;

    private LayerStreamer(Module model, Backend backend, CopyEngine copies, OffloadPlacement placement)
    {
        (_backend, _copies) = (backend, copies);
        var parameters = model.NamedParameters().ToDictionary(p => p.Path, p => p.Parameter, StringComparer.Ordinal);
        _order = [.. placement.Offloaded.Select((weights, i) => new StreamedBlock(i, weights.Bytes))];
        long bytes = _order.Max(block => block.Bytes);
        _slots = [.. Enumerable.Range(0, SlotCount).Select(_ => new Slot(backend.Allocate(bytes, MemoryKind.Frozen), copies.NewEvent()))];
        foreach (var (block, weights) in _order.Zip(placement.Offloaded))
        {
            block.Host = copies.Allocate(weights.Bytes, MemoryKind.Frozen);
            _blocks.Add(weights.Index, block);
            long offset = 0;
            foreach (var (path, size) in weights.Matrices)
            {
                parameters[path].Offloaded = new StreamedParameter(this, block, offset, size);
                offset += Arena.Round(size);
            }
        }
    }

    /// <summary>The streamer of a declared model without weights, whose loader then fills host memory through the slots.</summary>
    /// <exception cref="BadInputException">The device does not copy beside its kernels.</exception>
    public static LayerStreamer Of(Module model, Backend backend, OffloadPlacement placement) =>
        new(model, backend, backend.Copies ?? throw new BadInputException(
            $"the device {backend.Name} cannot stream weights from host memory: its own memory is host memory"), placement);

    /// <summary>Bytes copied for weights and checkpoints so far.</summary>
    public long UploadedBytes => _copies.UploadedBytes;

    /// <summary>Begins a block: kernels that are queued from now on read its matrices.</summary>
    /// <param name="index">The block's index in the model.</param>
    /// <param name="x">The block's input.</param>
    /// <returns>The input, to be passed on to the block.</returns>
    public Tensor Enter(int index, Tensor x)
    {
        if (!_blocks.TryGetValue(index, out var block))
        {
            return x;
        }
        if (block.Ordinal == 0)
        {
            _lowest = int.MaxValue;
        }
        EnsureResident(block);
        return Tape.Needs(x) ? BackwardHook.Mark(x, () => LeaveBackward(block)) : x;
    }

    /// <summary>Ends a block: its slot may be filled with another one's matrices, unless its backward pass comes next.</summary>
    /// <param name="index">The block's index in the model.</param>
    /// <param name="y">The block's output.</param>
    /// <returns>The output, to be used instead.</returns>
    public Tensor Exit(int index, Tensor y)
    {
        if (!_blocks.TryGetValue(index, out var block))
        {
            return y;
        }
        bool hasBackward = Tape.Needs(y);
        int next = block.Ordinal + SlotCount;
        if (hasBackward)
        {
            _lowest = Math.Min(_lowest, block.Ordinal);
        }
        if (next < _order.Length)
        {
            Prefetch(_order[next]);
        }
        else if (!hasBackward)
        {
            Prefetch(FirstOf(block)); // Another forward pass comes next.
        }
        return hasBackward ? BackwardHook.Mark(y, () => EnsureResident(block)) : y;
    }

    /// <summary>Has the first blocks in the slots and no copy under way: the state in which a graph begins.</summary>
    public void Prepare()
    {
        foreach (var block in _order.Take(SlotCount))
        {
            Prefetch(block);
        }
        _copies.Join();
    }

    /// <summary>What the slots hold, for a graph that is replayed.</summary>
    public StreamerState State => new([.. _slots.Select(slot => slot.Block)], UploadedBytes);

    /// <summary>Takes over what a replayed graph did: the contents of the slots and the bytes copied.</summary>
    /// <param name="before">The state before the graph's capture.</param>
    /// <param name="after">The state after it.</param>
    public void TakeReplayed(StreamerState before, StreamerState after)
    {
        for (int i = 0; i < SlotCount; i++)
        {
            _slots[i].Block = after.Blocks[i];
        }
        _copies.AddReplayed(after.UploadedBytes - before.UploadedBytes);
    }

    /// <summary>Makes a block's matrices readable in its slot.</summary>
    public void EnsureResident(StreamedBlock block)
    {
        var slot = SlotOf(block);
        if (slot.Block != block || slot.Filled.IsPending)
        {
            using var turn = _backend.EnterPass();
            Prefetch(block);
            _copies.Wait(slot.Filled);
        }
    }

    /// <summary>Begins to write a block's matrices in its slot; they are copied to the host before another block takes the slot.</summary>
    public void BeginWrite(StreamedBlock block)
    {
        EnsureResident(block);
        SlotOf(block).IsDirty = true;
    }

    /// <summary>Ends loading: everything is on the host.</summary>
    public void EndWrite()
    {
        foreach (var slot in _slots)
        {
            Flush(slot);
        }
    }

    /// <summary>A part of a block's slot as a storage, which keeps the slot alive.</summary>
    public Storage Slice(StreamedBlock block, long offset, long bytes)
    {
        var memory = SlotOf(block).Memory;
        memory.AddReference();
        return new ExternalStorage(_backend, memory.Address + (nint)offset, bytes, MemoryKind.Frozen, memory.Release);
    }

    /// <summary>Frees the slots, when nothing refers to them any more, and host memory.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }
        _disposed = true;
        if (((IDevice)_backend).IsDisposed)
        {
            return; // The device has freed its memory and that of its copies.
        }
        using var turn = _backend.EnterPass();
        _copies.Join();
        _backend.Synchronize();
        foreach (var block in _order)
        {
            _copies.Free(block.Host);
        }
        foreach (var slot in _slots)
        {
            slot.Filled.Dispose();
            slot.Memory.Release();
        }
    }

    private Slot SlotOf(StreamedBlock block) => _slots[block.Ordinal % SlotCount];

    private StreamedBlock FirstOf(StreamedBlock block) => _order[block.Ordinal % SlotCount];

    private void LeaveBackward(StreamedBlock block)
    {
        int next = block.Ordinal - SlotCount;
        Prefetch(next >= 0 && next >= _lowest ? _order[next] : FirstOf(block));
    }

    /// <summary>Begins the copy of a block to its slot, if it is not there.</summary>
    private void Prefetch(StreamedBlock block)
    {
        var slot = SlotOf(block);
        if (slot.Block == block)
        {
            return;
        }
        Flush(slot);
        slot.Block = block;
        if (block.HasData)
        {
            _copies.Upload(block.Host, slot.Memory.Address, block.Bytes, slot.Filled);
        }
    }

    private void Flush(Slot slot)
    {
        if (slot.IsDirty)
        {
            _copies.Download(slot.Memory.Address, slot.Block!.Host, slot.Block.Bytes, slot.Filled);
            _copies.Wait(slot.Filled);
            slot.IsDirty = false;
            slot.Block.HasData = true;
        }
    }

    /// <summary>Device memory for one block.</summary>
    private sealed class Slot(Storage memory, CopyEvent filled)
    {
        public Storage Memory => memory;

        /// <summary>The end of the last copy from or to the slot.</summary>
        public CopyEvent Filled => filled;

        /// <summary>The block whose matrices it holds, or will when the copy has ended; null for none.</summary>
        public StreamedBlock? Block { get; set; }

        /// <summary>Whether the slot was written since it was filled.</summary>
        public bool IsDirty { get; set; }
    }
}

/// <summary>An offloaded block.</summary>
/// <param name="ordinal">Its index among the offloaded blocks.</param>
/// <param name="bytes">Bytes of its matrices, one after the other.</param>
internal sealed class StreamedBlock(int ordinal, long bytes)
{
    public int Ordinal => ordinal;

    public long Bytes => bytes;

    /// <summary>Its matrices in host memory.</summary>
    public HostBlock Host { get; set; }

    /// <summary>Whether host memory holds them already.</summary>
    public bool HasData { get; set; }
}

/// <summary>The contents of a streamer's slots, and the bytes copied so far.</summary>
internal sealed record StreamerState(IReadOnlyList<StreamedBlock?> Blocks, long UploadedBytes);
