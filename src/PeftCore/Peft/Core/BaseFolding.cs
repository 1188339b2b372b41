using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>Writes the merged weights of adapters into the base's own parameters, one weight at a time, so that the extra memory is that of
/// one weight, not of a second model.</summary>
/// <param name="model">The base, without merged adapters.</param>
/// <param name="adapters">The adapters, which are applied.</param>
internal sealed class BaseFolding(TransformerModel model, IReadOnlyList<Adapter> adapters)
{
    /// <summary>Computes every merged weight once to check it for NaN and infinity.</summary>
    /// <exception cref="BadInputException">A merged weight is not finite.</exception>
    public void RefuseIfNotFinite()
    {
        foreach (var module in Changed())
        {
            using var scope = new TensorScope();
            foreach (var (name, value) in MergedOn(module))
            {
                if (!MergedWeights.IsFinite(Rounded(value, Original(module, name)!.Value)))
                {
                    var (path, _) = model.NamedModules().First(candidate => candidate.Module == module);
                    throw MergedWeights.NotFinite(adapters.Last(adapter => adapter.Layers.Exists(layer => layer.Path == path)), path);
                }
            }
        }
    }

    /// <summary>What rounding to quantised weights again changed.</summary>
    public RequantizationError Requantized { get; } = new();

    /// <summary>Replaces every changed weight by its merged values.</summary>
    /// <param name="keepTies">Change a tied weight in both modules if it changes in one; otherwise the tie is removed.</param>
    public void Run(bool keepTies)
    {
        foreach (var modules in Changed().GroupBy(module => Original(module, "weight")).ToList())
        {
            Fold([.. modules], keepTies);
        }
    }

    // A quantised weight is finite where the numbers it is made of are.
    private static Tensor Rounded(Tensor value, Tensor original)
    {
        if (original.IsQuantized)
        {
            return value;
        }
        var rounded = value.NewLike(value.Shape, original.DType, MemoryKind.Workspace);
        value.Backend.Cast(value, rounded);
        return rounded;
    }

    /// <summary>All modules that the adapters change.</summary>
    private List<Module> Changed() => [.. adapters.SelectMany(adapter => adapter.Layers.Select(layer => model.Find(layer.Path)!)
        .Concat(adapter.Swaps.Select(swap => swap.Module))).Distinct()];

    private List<(string Name, Tensor Value)> MergedOn(Module module)
    {
        List<LayerAdapter> layers = [.. adapters.SelectMany(adapter => adapter.Layers).Where(layer => model.Find(layer.Path) == module)
            .Select(layer => layer.Layer)];
        return layers.Count > 0 ? MergedWeights.Of(module, layers, null) : [];
    }

    /// <summary>The base's original parameter, whether a swap replaces it or not.</summary>
    private Parameter? Original(Module module, string name) =>
        adapters.SelectMany(adapter => adapter.Swaps).FirstOrDefault(swap => swap.Replaces(module, name))?.Original
        ?? module.OwnParameter(name);

    /// <summary>Replaces the weight of one module, or the shared weight of several, by its merged values.</summary>
    private void Fold(List<Module> modules, bool keepTies)
    {
        using var scope = new TensorScope();
        var changes = new List<(Parameter Original, Module Module, string Name, Tensor Value)>();
        var swaps = adapters.SelectMany(adapter => adapter.Swaps).Where(swap => modules.Contains(swap.Module)).ToList();
        foreach (var module in modules)
        {
            var values = MergedOn(module);
            values.AddRange(swaps.Where(swap => swap.Module == module && !values.Exists(merged => merged.Name == swap.Name))
                .Select(swap => (swap.Name, swap.Value.Value.Unscoped())).ToList());
            changes.AddRange(values.Select(value => (Original(module, value.Name)!, module, value.Name, value.Value.Keep())));
        }
        swaps.ForEach(swap => swap.Deactivate());
        foreach (var group in changes.GroupBy(change => change.Original).ToList())
        {
            Replace(group.Key, [.. group.Select(change => (change.Module, change.Name, change.Value))], keepTies);
        }
    }

    /// <summary>Replaces a parameter by merged values. One that several modules share (tied embeddings) stays shared if all of them get the
    /// same values.</summary>
    private void Replace(Parameter parameter, List<(Module Module, string Name, Tensor Value)> changes, bool keepTies)
    {
        var (dtype, format) = (parameter.Value.DType, parameter.Value.Format);
        int sharers = model.NamedModules().Sum(module => module.Module.OwnParameters.Count(own => own.Value == parameter));
        bool shared = keepTies || sharers == 1 ||
            (changes.Count == sharers
                && changes.TrueForAll(change => change.Value.HasSameBytes(changes[0].Value)));
        // A table of another vocabulary size has another shape, so it needs a new parameter.
        var common = !shared ? null : changes[0].Value.Shape == parameter.Shape ? parameter : new Parameter(changes[0].Value.Shape);
        foreach (var (module, name, value) in changes)
        {
            var target = common ?? new Parameter(value.Shape);
            Fill(target, value, dtype, format);
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

    private void Fill(Parameter parameter, Tensor value, DType dtype, QuantizedFormat? format)
    {
        if (value.DType == dtype)
        {
            parameter.Set(value);
            value.Storage.Recategorize(MemoryKind.Frozen);
            return;
        }
        var stored = parameter.IsMaterialized ? parameter.Value
            : format is null ? parameter.Materialize(value.Backend, dtype) : parameter.Materialize(value.Backend, format);
        value.Backend.Cast(value, stored);
        if (stored.IsQuantized)
        {
            Requantized.Add(value, stored);
        }
        value.Dispose();
    }
}
