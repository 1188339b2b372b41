using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>The low-rank updates of several adapters on one layer as one update, for devices on which launches cost more than products: the
/// Aᵢ below each other, the Bᵢ beside each other, and factors that keep of x·Aᵀ in each row of a mixed batch the columns of its own adapter
/// (as S-LoRA, Sheng et al. 2023, batches heterogeneous adapters). A step of a mixed batch then has as many launches as one of a single
/// adapter, plus a product of the factors. The rows have the values of <see cref="RowUpdates"/>, its readable twin, up to
/// rounding.</summary>
/// <param name="parts">The adapters' parts on the layer.</param>
internal sealed class AdapterStack(AdapterParts<LayerAdapter> parts)
{
    // Adapters that are kept although no row has them, so that their next request does not make the stack anew.
    private const int MostKept = 32;

    private readonly Lock _lock = new();
    private List<Adapter> _adapters = []; // Adapter i has columns [i·rank, (i + 1)·rank) of x·Aᵀ.
    private Tensor? _a;
    private Tensor? _b;
    private float[] _scales = [];
    private int _version = -1;
    private int _rank;
    private MixedRows? _rows;
    private LowRankUpdate? _update;

    /// <summary>The update of a mixed batch; null if an adapter computes anything else than a plain low-rank update.</summary>
    /// <param name="rows">The adapters of the rows.</param>
    /// <param name="version">A number that changes with every change of the adapters.</param>
    public LowRankUpdate? Of(MixedRows rows, int version)
    {
        lock (_lock)
        {
            if (_rows == rows && _version == version)
            {
                return _update;
            }
            List<Adapter> needed = [.. rows.Groups.Select(group => group.Adapter).OfType<Adapter>().Where(a => parts.Of(a) is not null)];
            if (needed.Count == 0 || !needed.TrueForAll(adapter => PlainUpdate(adapter) is not null))
            {
                return null;
            }
            if (_version != version || needed.Exists(adapter => !_adapters.Contains(adapter)))
            {
                Build([.. needed, .. _adapters.Where(a => _version == version && !needed.Contains(a)).Take(MostKept - needed.Count)]);
            }
            (_rows, _version) = (rows, version);
            float scale = _scales.Max(MathF.Abs);
            var factors = rows.Factors(_adapters, Array.ConvertAll(_scales, s => s / scale), _rank, _a!.Backend);
            _update = new LowRankUpdate(_a!, _b!, scale) { RowFactors = factors };
            return _update;
        }
    }

    /// <summary>Frees the stacked parameters.</summary>
    public void Free()
    {
        lock (_lock)
        {
            _a?.Dispose();
            _b?.Dispose();
            (_a, _b, _rows, _update, _version, _adapters) = (null, null, null, null, -1, []);
        }
    }

    private LowRankUpdate? PlainUpdate(Adapter adapter) =>
        parts.Of(adapter)?.LowRankUpdates()?.ToList() is [var update]
        && update is { Bias: null, Diagonal: null, Dropout.Active: false, Scale: not 0, B.DType: DType.F32 } ? update : null;

    private void Build(List<Adapter> adapters)
    {
        Free();
        LowRankUpdate[] updates = [.. adapters.Select(adapter => PlainUpdate(adapter)!.Value)];
        _adapters = adapters;
        _scales = Array.ConvertAll(updates, update => update.Scale);
        _rank = updates.Max(update => update.A.Shape[0]);
        var backend = updates[0].A.Backend;
        int inputs = updates[0].A.Shape[1], outputs = updates[0].B.Shape[0], all = _rank * updates.Length;
        _a = backend.Zeros([all, inputs], DType.F32, MemoryKind.Frozen).Keep();
        _b = backend.Zeros([outputs, all], DType.F32, MemoryKind.Frozen).Keep();
        for (int i = 0; i < updates.Length; i++)
        {
            int rank = updates[i].A.Shape[0];
            using var place = _a.Unscoped([rank, inputs], (long)i * _rank * inputs);
            backend.Cast(updates[i].A, place);
            backend.CopyColumns(updates[i].B, 0, _b, i * _rank, rank, accumulate: false);
        }
    }
}
