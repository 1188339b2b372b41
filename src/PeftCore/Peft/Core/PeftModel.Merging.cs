using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Peft;

public sealed partial class PeftModel
{
    private readonly OrderedDictionary<string, List<ParameterSwap>> _merged = new(StringComparer.Ordinal);

    /// <summary>Names of the adapters whose updates stand in the base's weights now.</summary>
    public IReadOnlyCollection<string> MergedAdapters => _merged.Keys;

    /// <summary>Folds the active adapters into copies of the weights they change, so that inference costs nothing extra. Half-precision
    /// weights are merged in F32 and rounded once. Merging twice changes nothing.</summary>
    /// <param name="safe">Refuse, and leave everything as it was, if a merged weight is not finite.</param>
    /// <exception cref="BadInputException">An adapter cannot be merged, or a merged weight is not finite.</exception>
    public void Merge(bool safe = true)
    {
        bool disabled = _disabled;
        Enable();
        var done = new List<string>();
        try
        {
            foreach (string name in _active.Where(name => !_merged.ContainsKey(name)).ToList())
            {
                Merge(_adapters[name], safe);
                done.Add(name);
            }
        }
        catch
        {
            done.AsEnumerable().Reverse().ToList().ForEach(Unmerge);
            throw;
        }
        finally
        {
            if (disabled)
            {
                Disable();
            }
        }
    }

    /// <summary>Takes the updates out of the weights again: the base is bit-equal to what it was.</summary>
    public void Unmerge()
    {
        foreach (string name in _merged.Keys.Reverse().ToList())
        {
            Unmerge(name);
        }
    }

    private void Merge(Adapter adapter, bool safe)
    {
        RefuseIfUnmergeable(adapter, safe);
        var merged = new List<ParameterSwap>();
        try
        {
            foreach (var (path, layer) in adapter.Layers)
            {
                int before = merged.Count;
                MergeLayer(path, layer, merged);
                if (safe && !merged.Skip(before).All(swap => IsFinite(swap.Parameter.Parameter.Value)))
                {
                    throw NotFinite(adapter, path);
                }
            }
        }
        catch
        {
            merged.ForEach(swap => swap.Deactivate());
            merged.ForEach(swap => swap.Parameter.Parameter.Dispose());
            throw;
        }
        _merged.Add(adapter.Name, merged);
        AppliedAdapters = [.. _active.Where(name => !_merged.ContainsKey(name))];
    }

    private void MergeLayer(string path, LayerAdapter adapter, List<ParameterSwap> merged)
    {
        var module = Base.Find(path)!;
        // What earlier merges started from.
        var plain = _merged.Values.SelectMany(swaps => swaps).FirstOrDefault(swap => swap.Replaces(module, "weight"))?.Original;
        using var scope = new TensorScope();
        foreach (var (name, value) in MergedValues(module, [adapter], plain))
        {
            // A tied weight is merged once: only the module that the adapter is on changes.
            var original = module.OwnParameter(name)!;
            var parameter = new Parameter(original.Shape);
            value.Backend.Cast(value, parameter.Materialize(value.Backend, original.Value.DType));
            var swap = new ParameterSwap(module, name, new AdapterParameter(path, "", "", parameter), trainable: false);
            swap.Activate();
            merged.Add(swap);
        }
    }

    /// <summary>The weight of a module, and its bias if that changes, with adapters merged in: F32, in the scope that is open.</summary>
    private static List<(string Name, Tensor Value)> MergedValues(Module module, IReadOnlyList<LayerAdapter> adapters, Parameter? plain)
    {
        var weight = module.OwnParameter("weight")!;
        var wide = Widened(weight.Value);
        var wideBias = module.OwnParameter("bias") is { } bias ? Widened(bias.Value) : null;
        bool biasChanged = false;
        foreach (var adapter in adapters)
        {
            biasChanged |= adapter.Merge(wide, wideBias, plain is null ? null : Widened(plain.Value));
            plain ??= weight;
        }
        return biasChanged ? [("weight", wide), ("bias", wideBias!)] : [("weight", wide)];
    }

    private static void RefuseIfUnmergeable(Adapter adapter, bool safe)
    {
        if (adapter.MergeProblem is { } whole)
        {
            throw new BadInputException($"adapter \"{adapter.Name}\" cannot be merged: {whole}");
        }
        foreach (var (path, layer) in adapter.Layers)
        {
            if (layer.MergeProblem is { } problem)
            {
                throw new BadInputException($"adapter \"{adapter.Name}\" cannot be merged into \"{path}\": {problem}");
            }
        }
        if (safe && adapter.Swaps.Find(swap => !IsFinite(swap.Parameter.Parameter.Value)) is { } broken)
        {
            throw NotFinite(adapter, broken.Parameter.Path);
        }
    }

    private static BadInputException NotFinite(Adapter adapter, string path) =>
        new($"adapter \"{adapter.Name}\" is not merged: the weight of \"{path}\" would hold NaN or infinity; the base is unchanged");

    private static Tensor Widened(Tensor value)
    {
        var wide = value.NewLike(value.Shape, kind: MemoryKind.Workspace);
        value.Backend.Cast(value, wide);
        return wide;
    }

    private static bool IsFinite(Tensor value)
    {
        using var scope = new TensorScope();
        return value.Backend.AllFinite(value.DType == DType.F32 ? value : Widened(value));
    }

    private void Unmerge(string name)
    {
        if (!_merged.ContainsKey(name))
        {
            return;
        }
        bool disabled = _disabled;
        Enable();
        // Later merges were made on top of this one, so they go first and come back after.
        List<string> later = [.. _merged.Keys.SkipWhile(key => key != name)];
        foreach (string merged in later.AsEnumerable().Reverse())
        {
            var swaps = _merged[merged];
            swaps.AsEnumerable().Reverse().ToList().ForEach(swap => swap.Deactivate());
            swaps.ForEach(swap => swap.Parameter.Parameter.Dispose());
            _merged.Remove(merged);
        }
        later.Skip(1).ToList().ForEach(merged => Merge(_adapters[merged], safe: false));
        AppliedAdapters = [.. _active.Where(active => !_merged.ContainsKey(active))];
        if (disabled)
        {
            Disable();
        }
    }

    private void ApplyMerges()
    {
        if (!_disabled)
        {
            foreach (var swap in _merged.Values.SelectMany(swaps => swaps))
            {
                swap.Activate();
            }
        }
    }

    private void UnapplyMerges()
    {
        foreach (var swap in _merged.Values.Reverse().SelectMany(swaps => swaps.AsEnumerable().Reverse()))
        {
            swap.Deactivate();
        }
    }
}
