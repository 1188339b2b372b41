using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>The position tables that the layers of a decoder share: one of rotary angles for each of its settings, and ALiBi's
/// slopes.</summary>
internal sealed class DecoderPositions(DecoderSpec spec) : IDisposable
{
    private readonly Dictionary<RopeSpec, Rotary> _rotaries =
        spec.Rope.Distinct.OfType<RopeSpec>().ToDictionary(rope => rope, rope => new Rotary(rope));

    private readonly Lock _lock = new();
    private Tensor? _slopes;

    /// <summary>The rotary positions of a layer; null without any.</summary>
    public Rotary? RotaryOf(int layer) => spec.Rope[layer] is { } rope ? _rotaries[rope] : null;

    /// <summary>F32 (heads): ALiBi's slopes; null without ALiBi.</summary>
    public Tensor? Slopes(Backend backend)
    {
        if (spec.AlibiSlopes is not { } slopes)
        {
            return null;
        }
        lock (_lock)
        {
            if (_slopes is null || _slopes.Device != backend)
            {
                _slopes?.Dispose();
                _slopes = backend.From([.. slopes], [slopes.Count], MemoryKind.Frozen).Keep();
            }
            return _slopes;
        }
    }

    /// <summary>The longest length, of at most <paramref name="longest"/>, up to which the angles do not depend on it; no limit if they
    /// never do.</summary>
    public int SharedLength(int longest)
    {
        int shared = longest;
        foreach (var rotary in _rotaries.Values)
        {
            while (rotary.LengthKey(shared) != rotary.LengthKey(1))
            {
                shared--;
            }
        }
        return shared == longest ? int.MaxValue : shared;
    }

    /// <summary>See <see cref="TransformerModel.PositionTables"/>.</summary>
    public long State(int length)
    {
        long versions = 0, keys = 0;
        foreach (var rotary in _rotaries.Values)
        {
            versions += rotary.Version;
            keys += rotary.LengthKey(length);
        }
        return (versions << 32) | keys;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var rotary in _rotaries.Values)
        {
            rotary.Dispose();
        }
        _slopes?.Dispose();
        _slopes = null;
    }
}
