using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Peft;

public sealed partial class PeftModel
{
    /// <summary>Folds the active adapters into the base for good and detaches all adapters. Weights change one after the other, so this
    /// takes memory for one of them, not for a second model.</summary>
    /// <param name="safe">Refuse, and leave everything as it was, if a merged weight is not finite. Every weight is then merged twice: once
    /// to look, once to keep.</param>
    /// <param name="keepTies">Where a tied weight changes in one module only, change it in the other too, as Hugging Face PEFT does; the
    /// merged model then computes something else than base and adapters did. Otherwise the tie is undone.</param>
    /// <returns>The base, which now computes what base and adapters did.</returns>
    /// <exception cref="BadInputException">An adapter cannot be merged, or a merged weight is not finite.</exception>
    public CausalModel MergeAndUnload(bool safe = true, bool keepTies = false)
    {
        var (disabled, merged) = (_disabled, _merged.Count > 0);
        Unmerge();
        Enable();
        List<Adapter> adapters = [.. _active.Select(name => _adapters[name])];
        try
        {
            adapters.ForEach(adapter => RefuseIfUnmergeable(adapter, safe));
            if (safe)
            {
                RefuseIfNotFinite(adapters);
            }
        }
        catch
        {
            if (merged)
            {
                Merge(safe: false);
            }
            if (disabled)
            {
                Disable();
            }
            throw;
        }
        foreach (var modules in Changed(adapters).GroupBy(module => Original(module, "weight", adapters)).ToList())
        {
            Fold([.. modules], adapters, keepTies);
        }
        return Unload();
    }

    /// <summary>Every module that adapters change.</summary>
    private List<Module> Changed(List<Adapter> adapters) =>
        [.. adapters.SelectMany(adapter => adapter.Layers.Select(layer => Base.Find(layer.Path)!)
            .Concat(adapter.Swaps.Select(swap => swap.Module))).Distinct()];

    private List<LayerAdapter> LayersOn(Module module, List<Adapter> adapters) =>
        [.. adapters.SelectMany(adapter => adapter.Layers).Where(layer => Base.Find(layer.Path) == module).Select(layer => layer.Layer)];

    /// <summary>The base's own parameter, whatever stands in its place now.</summary>
    private static Parameter? Original(Module module, string name, List<Adapter> adapters) =>
        adapters.SelectMany(adapter => adapter.Swaps).FirstOrDefault(swap => swap.Replaces(module, name))?.Original
        ?? module.OwnParameter(name);

    private void RefuseIfNotFinite(List<Adapter> adapters)
    {
        foreach (var module in Changed(adapters))
        {
            using var scope = new TensorScope();
            var layers = LayersOn(module, adapters);
            foreach (var (name, value) in layers.Count > 0 ? MergedValues(module, layers, null) : [])
            {
                var rounded = value.NewLike(value.Shape, Original(module, name, adapters)!.Value.DType, MemoryKind.Workspace);
                value.Backend.Cast(value, rounded);
                if (!IsFinite(rounded))
                {
                    var (path, _) = Base.NamedModules().First(candidate => candidate.Module == module);
                    throw NotFinite(adapters.Last(adapter => adapter.Layers.Exists(layer => layer.Path == path)), path);
                }
            }
        }
    }

    /// <summary>Gives modules that share their weight, or one that shares nothing, their merged values.</summary>
    private void Fold(List<Module> modules, List<Adapter> adapters, bool keepTies)
    {
        using var scope = new TensorScope();
        var changes = new List<(Parameter Original, Module Module, string Name, Tensor Value)>();
        var swaps = adapters.SelectMany(adapter => adapter.Swaps).Where(swap => modules.Contains(swap.Module)).ToList();
        foreach (var module in modules)
        {
            var layers = LayersOn(module, adapters);
            var values = layers.Count > 0 ? MergedValues(module, layers, null) : [];
            values.AddRange(swaps.Where(swap => swap.Module == module && !values.Exists(merged => merged.Name == swap.Name))
                .Select(swap => (swap.Name, swap.Parameter.Parameter.Value.Unscoped())).ToList());
            changes.AddRange(values.Select(value => (Original(module, value.Name, adapters)!, module, value.Name, value.Value.Keep())));
        }
        swaps.ForEach(swap => swap.Deactivate());
        foreach (var group in changes.GroupBy(change => change.Original).ToList())
        {
            Replace(group.Key, [.. group.Select(change => (change.Module, change.Name, change.Value))], keepTies);
        }
    }

    /// <summary>Puts merged values in a parameter's place. A parameter that several modules share (tied embeddings) stays shared if it
    /// changed in all of them alike.</summary>
    private void Replace(Parameter parameter, List<(Module Module, string Name, Tensor Value)> changes, bool keepTies)
    {
        var dtype = parameter.Value.DType;
        int sharers = Base.NamedModules().Sum(module => module.Module.OwnParameters.Count(own => own.Value == parameter));
        bool shared = keepTies || sharers == 1 ||
            (changes.Count == sharers
                && changes.TrueForAll(change => change.Value.ToBytes().AsSpan().SequenceEqual(changes[0].Value.ToBytes())));
        // Tables of another vocabulary cannot be written in place.
        var common = !shared ? null : changes[0].Value.Shape == parameter.Shape ? parameter : new Parameter(changes[0].Value.Shape);
        foreach (var (module, name, value) in changes)
        {
            var target = common ?? new Parameter(value.Shape);
            Fill(target, value, dtype);
            if (target != parameter)
            {
                module.Exchange(name, target);
            }
        }
        if (common != parameter && changes.Count == sharers)
        {
            parameter.Dispose();
        }
    }

    private static void Fill(Parameter parameter, Tensor value, DType dtype)
    {
        if (value.DType == dtype)
        {
            parameter.Set(value);
            value.Storage.Recategorize(MemoryKind.Frozen);
            return;
        }
        value.Backend.Cast(value, parameter.IsMaterialized ? parameter.Value : parameter.Materialize(value.Backend, dtype));
        value.Dispose();
    }
}
