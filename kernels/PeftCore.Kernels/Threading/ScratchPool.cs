namespace PeftCore.Kernels;

/// <summary>A pool of native buffers, so that kernels allocate nothing once the pool has reached its full size.</summary>
internal sealed unsafe class ScratchPool : IDisposable
{
    private const uint Intact = 0x5AFE5AFE;
    private readonly Lock _gate = new();
    private Slot[] _slots = new Slot[32];

    /// <summary>Rents at least <paramref name="count"/> floats on a 64-byte boundary, contents undefined.</summary>
    public Scratch Rent(long count)
    {
        nuint length = (nuint)Math.Max(count, 1) * sizeof(float), bytes = length + sizeof(uint);
        lock (_gate)
        {
            int slot = Find(bytes);
            ref var s = ref _slots[slot];
            if (s.Bytes < bytes)
            {
                HostPages.Free(s.Pointer);
                s = default;
                s.Pointer = HostPages.Allocate(bytes);
                s.Bytes = bytes;
            }

            s.Rented = true;
            s.Guard = (uint*)((byte*)s.Pointer + length);
            *s.Guard = Intact;
            return new Scratch(this, slot, (float*)s.Pointer);
        }
    }

    /// <summary>Returns a buffer. If the guard word behind it has changed, a kernel wrote past its end, and the process ends at
    /// once.</summary>
    public void Return(int slot)
    {
        lock (_gate)
        {
            if (*_slots[slot].Guard != Intact)
            {
                Environment.FailFast("A kernel wrote past the end of a rented buffer.");
            }

            _slots[slot].Rented = false;
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            foreach (ref var s in _slots.AsSpan())
            {
                HostPages.Free(s.Pointer);
                s = default;
            }
        }
    }

    // The smallest free slot that is large enough, else the largest free one, which the caller enlarges.
    private int Find(nuint bytes)
    {
        int best = -1;
        for (int i = 0; i < _slots.Length; i++)
        {
            if (!_slots[i].Rented && (best < 0 || Better(_slots[i].Bytes, _slots[best].Bytes, bytes)))
            {
                best = i;
            }
        }

        if (best < 0)
        {
            best = _slots.Length;
            Array.Resize(ref _slots, best * 2);
        }

        return best;
    }

    private static bool Better(nuint candidate, nuint current, nuint wanted) =>
        current >= wanted ? candidate >= wanted && candidate < current : candidate > current;

    private struct Slot
    {
        public void* Pointer;
        public uint* Guard;
        public nuint Bytes;
        public bool Rented;
    }
}

/// <summary>A rented buffer; disposing returns it.</summary>
internal readonly unsafe struct Scratch(ScratchPool owner, int slot, float* pointer) : IDisposable
{
    public readonly float* Pointer = pointer;

    public void Dispose() => owner.Return(slot);
}
