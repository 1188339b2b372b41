using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Peft;

public sealed partial class PeftModel
{
    private readonly OrderedDictionary<string, List<ParameterSwap>> _merged = new(StringComparer.Ordinal);

    /// <summary>Names of the adapters whose updates stand in the base's weights now.</summary>
    public IReadOnlyCollection<string> MergedAdapters => _merged.Keys;

    /// <summary>Folds the active adapters into copies of the weights they change, so that inference costs nothing extra. Half-precision weights
    /// are merged in F32 and rounded once. Merging twice changes nothing.</summary>
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

    /// <summary>Folds the active adapters into the base for good and detaches all adapters.</summary>
    /// <param name="safe">Refuse, and leave everything as it was, if a merged weight is not finite.</param>
    /// <param name="keepTies">Where a tied weight changes in one module only, change it in the other too, as Hugging Face PEFT does; the merged model then
    /// computes something else than base and adapters did. Otherwise the tie is undone.</param>
    /// <returns>The base, which now computes what base and adapters did.</returns>
    public CausalModel MergeAndUnload(bool safe = true, bool keepTies = false)
    {
        Merge(safe);
        // What stands in a place last is what counts there: a merge comes after the adapter's own bias.
        var last = new OrderedDictionary<(Module Module, string Name), Tensor>();
        foreach (var swap in _active.SelectMany(name => _adapters[name].Swaps).Concat(_active.SelectMany(name => _merged[name])))
        {
            if (last.Remove((swap.Module, swap.Name), out var before))
            {
                before.Dispose();
            }
            last.Add((swap.Module, swap.Name), swap.Parameter.Parameter.Value.Unscoped());
        }
        Unload();
        foreach (var changes in last.GroupBy(change => change.Key.Module.OwnParameter(change.Key.Name)!).ToList())
        {
            Replace(changes.Key, [.. changes.Select(change => (change.Key.Module, change.Key.Name, change.Value))], keepTies);
        }
        return Base;
    }

    /// <summary>Puts merged values in a parameter's place. A parameter that several modules share (tied embeddings) stays shared if it changed in all
    /// of them alike.</summary>
    private void Replace(Parameter parameter, List<(Module Module, string Name, Tensor Value)> changes, bool keepTies)
    {
        var dtype = parameter.Value.DType;
        int sharers = Base.NamedModules().Sum(module => module.Module.OwnParameters.Count(own => own.Value == parameter));
        bool shared = keepTies || sharers == 1 ||
            (changes.Count == sharers && changes.TrueForAll(change => change.Value.ToBytes().AsSpan().SequenceEqual(changes[0].Value.ToBytes())));
        foreach (var (module, name, value) in changes)
        {
            var target = shared ? parameter : new Parameter(parameter.Shape);
            Fill(target, value, dtype);
            if (!shared)
            {
                module.Exchange(name, target);
            }
        }
        if (!shared && changes.Count == sharers)
        {
            parameter.Dispose();
        }
    }

    private static void Fill(Parameter parameter, Tensor value, DType dtype)
    {
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
        if (safe && adapter.Swaps.Find(swap => !IsFinite(swap)) is { } broken)
        {
            throw NotFinite(adapter, broken.Parameter.Path);
        }
        var merged = new List<ParameterSwap>();
        try
        {
            foreach (var (path, layer) in adapter.Layers)
            {
                int before = merged.Count;
                MergeLayer(path, layer, merged);
                if (safe && !merged.Skip(before).All(IsFinite))
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
        var weight = module.OwnParameter("weight")!;
        var bias = module.OwnParameter("bias");
        // What earlier merges started from.
        var plain = _merged.Values.SelectMany(swaps => swaps).FirstOrDefault(swap => swap.Replaces(module, "weight"))?.Original;
        using var scope = new TensorScope();
        var wide = Widened(weight.Value);
        var wideBias = bias is null ? null : Widened(bias.Value);
        bool biasChanged = adapter.Merge(wide, wideBias, plain is null ? null : Widened(plain.Value));
        Put("weight", weight, wide);
        if (biasChanged)
        {
            Put("bias", bias!, wideBias!);
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

    private static BadInputException NotFinite(Adapter adapter, string path) =>
        new($"adapter \"{adapter.Name}\" is not merged: the weight of \"{path}\" would hold NaN or infinity; the base is unchanged");

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
