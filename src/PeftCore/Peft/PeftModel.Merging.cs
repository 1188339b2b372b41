using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Peft;

public sealed partial class PeftModel
{
    private readonly Dictionary<string, List<ParameterSwap>> _merged = new(StringComparer.Ordinal);

    /// <summary>Names of the adapters whose updates stand in the base's weights now.</summary>
    public IReadOnlyCollection<string> MergedAdapters => _merged.Keys;

    /// <summary>Folds the active adapters into copies of the weights they change, so that inference costs nothing extra. Half-precision weights
    /// are merged in F32 and rounded once. Merging twice changes nothing.</summary>
    /// <param name="safe">Refuse, and leave everything as it was, if a merged weight is not finite.</param>
    /// <exception cref="BadInputException">An adapter cannot be merged, or a merged weight is not finite.</exception>
    public void Merge(bool safe = true)
    {
        foreach (string name in _active.Where(name => !_merged.ContainsKey(name)).ToList())
        {
            Merge(_adapters[name], safe);
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

    /// <summary>Folds the active adapters into the base for good and detaches all adapters.</summary>
    /// <param name="safe">Refuse, and leave everything as it was, if a merged weight is not finite.</param>
    /// <param name="keepTies">Where a tied weight changes in one module only, change it in the other too, as Hugging Face PEFT does; the merged model then
    /// computes something else than base and adapters did. Otherwise the tie is undone.</param>
    /// <returns>The base, which now computes what base and adapters did.</returns>
    public CausalModel MergeAndUnload(bool safe = true, bool keepTies = false)
    {
        Merge(safe);
        var kept = new List<ParameterSwap>();
        foreach (string name in _active)
        {
            kept.AddRange(_adapters[name].Swaps);
            kept.AddRange(_merged[name]);
        }
        var frozen = new List<(ParameterSwap Swap, Tensor Value)>();
        foreach (var swap in kept)
        {
            frozen.Add((swap, swap.Parameter.Parameter.Value.Unscoped()));
        }
        Unload();
        foreach (var (swap, value) in frozen)
        {
            Replace(swap, value, keepTies ? null : frozen.ConvertAll(pair => pair.Swap));
        }
        return Base;
    }

    /// <summary>Puts merged values in a parameter's place. Where two modules share it (tied embeddings) and only one of them changed, they are
    /// shared no more.</summary>
    private void Replace(ParameterSwap swap, Tensor value, List<ParameterSwap>? all)
    {
        var parameter = swap.Module.OwnParameter(swap.Name)!;
        int sharers = Base.NamedModules().Sum(module => module.Module.OwnParameters.Count(own => own.Value == parameter));
        int changed = all?.Count(other => other.Module.OwnParameter(other.Name) == parameter) ?? sharers;
        var dtype = parameter.Value.DType;
        if (sharers > changed)
        {
            swap.Module.Exchange(swap.Name, parameter = new Parameter(parameter.Shape));
        }
        if (value.DType == dtype)
        {
            parameter.Set(value);
            value.Storage.Rebook(MemoryKind.Frozen);
            return;
        }
        value.Backend.Cast(value, parameter.IsMaterialized ? parameter.Value : parameter.Materialize(value.Backend, dtype));
        value.Dispose();
    }

    private void Merge(Adapter adapter, bool safe)
    {
        foreach (var (path, layer) in adapter.Layers)
        {
            if (layer.MergeProblem is { } problem)
            {
                throw new BadInputException($"adapter \"{adapter.Name}\" cannot be merged into \"{path}\": {problem}");
            }
        }
        var merged = new List<ParameterSwap>();
        try
        {
            foreach (var (path, layer) in adapter.Layers)
            {
                MergeLayer(path, layer, merged);
                if (safe && !merged.TrueForAll(IsFinite))
                {
                    throw new BadInputException($"adapter \"{adapter.Name}\" is not merged: the weight of \"{path}\" would hold NaN or infinity; the base is unchanged");
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
        AppliedAdapters = _disabled ? [] : [.. _active.Where(name => !_merged.ContainsKey(name))];
        if (_disabled)
        {
            UnapplyMerges();
        }
    }

    private void MergeLayer(string path, LayerAdapter adapter, List<ParameterSwap> merged)
    {
        var module = Base.Find(path)!;
        var weight = module.OwnParameter("weight")!;
        var bias = module.OwnParameter("bias");
        using var scope = new TensorScope();
        var (wide, wideBias) = adapter.Merged(Widened(weight.Value), bias is null ? null : Widened(bias.Value));
        Put("weight", weight, wide);
        if (bias is not null && wideBias is not null)
        {
            Put("bias", bias, wideBias);
        }

        void Put(string name, Parameter original, Tensor value)
        {
            // A tied weight is merged once: only the module that the adapter is on changes.
            var parameter = new Parameter(original.Shape);
            value.Backend.Cast(value, parameter.Materialize(value.Backend, original.Value.DType));
            var swap = new ParameterSwap(module, name, new AdapterParameter(path, "", "", parameter), trains: false);
            swap.Activate();
            merged.Add(swap);
        }
    }

    private static Tensor Widened(Tensor value)
    {
        var wide = value.NewLike(value.Shape, kind: MemoryKind.Workspace);
        value.Backend.Cast(value, wide);
        return wide;
    }

    private static bool IsFinite(ParameterSwap swap)
    {
        using var scope = new TensorScope();
        var value = Widened(swap.Parameter.Parameter.Value);
        return value.Backend.AllFinite(value);
    }

    private void Unmerge(string name)
    {
        if (!_merged.ContainsKey(name))
        {
            return;
        }
        // Later merges were made on top of this one, so they go first and come back after.
        var later = _merged.Keys.SkipWhile(key => key != name).ToList();
        foreach (string merged in later.AsEnumerable().Reverse())
        {
            var swaps = _merged[merged];
            swaps.AsEnumerable().Reverse().ToList().ForEach(swap => swap.Deactivate());
            swaps.ForEach(swap => swap.Parameter.Parameter.Dispose());
            _merged.Remove(merged);
        }
        foreach (string merged in later.Skip(1).Where(_adapters.ContainsKey))
        {
            Merge(_adapters[merged], safe: false);
        }
        AppliedAdapters = _disabled ? [] : [.. _active.Where(active => !_merged.ContainsKey(active))];
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
