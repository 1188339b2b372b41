using System.Globalization;
using PeftCore.Models;
using PeftCore.Nn;

namespace PeftCore.Peft;

/// <summary>The adapters attached to a model, by name, and the hooks that run them.</summary>
/// <param name="model">The base model.</param>
/// <param name="set">The active set, which every hook reads.</param>
internal sealed class AdapterRegistry(TransformerModel model, ActiveSet set)
{
    // Replaced by each change, so that other threads may read it meanwhile.
    private volatile Dictionary<string, Adapter> _adapters = new(StringComparer.Ordinal);
    private readonly Dictionary<Layer, AdapterDispatcher> _layers = [];
    private readonly Dictionary<ResidualAdd, ResidualDispatcher> _residuals = [];

    /// <summary>Names of the attached adapters.</summary>
    public IReadOnlyCollection<string> Names => _adapters.Keys;

    /// <exception cref="BadInputException">The name is unknown.</exception>
    public Adapter Get(string name) => _adapters.TryGetValue(name, out var adapter)
        ? adapter
        : throw new BadInputException(
            $"there is no adapter \"{name}\"; attached are {(_adapters.Count == 0 ? "none" : string.Join(", ", _adapters.Keys))}");

    /// <exception cref="BadInputException">Adapters are attached: their shapes depend on those of the token tables.</exception>
    public void RefuseResize()
    {
        if (_adapters.Count > 0)
        {
            throw new BadInputException($"the token tables cannot be resized while adapters are attached ({string.Join(", ", Names)}); " +
                "resize the model before");
        }
    }

    /// <summary>Creates and attaches an adapter and makes it the only active one.</summary>
    public Adapter Add(PeftConfig config, AttachContext context)
    {
        var adapter = Create(config, context);
        Attach(adapter);
        set.Activate(adapter);
        return adapter;
    }

    /// <summary>Creates an adapter that is not attached yet; on failure all its memory is freed.</summary>
    /// <param name="config">Method and hyperparameters.</param>
    /// <param name="context">Name, seed and, for a saved adapter, its file.</param>
    /// <param name="tables">Token tables of the adapter's file, which may have more rows than the base's; null for none.</param>
    /// <exception cref="BadInputException">The name is invalid or taken, or the configuration does not fit the model.</exception>
    public Adapter Create(PeftConfig config, AttachContext context, AdapterTables? tables = null)
    {
        ArgumentNullException.ThrowIfNull(config);
        AdapterName.Check(context.Name, _adapters.Keys);
        if (context.IsNew && config.StartProblem is { } problem)
        {
            throw new BadInputException(problem);
        }
        if (context.IsNew)
        {
            config = config.For(model);
        }
        return set.OnPlainBase(() =>
        {
            try
            {
                return tables is null ? config.Attach(context) : tables.On(() => config.Attach(context));
            }
            catch (BadInputException e) when (context.Place is { } place)
            {
                context.Free();
                throw new BadInputException($"{place}: {e.Message}", e);
            }
            catch
            {
                context.Free();
                throw;
            }
        });
    }

    /// <summary>Attaches an adapter: adds a dispatcher to each layer and residual sum that it changes. The adapter is not active
    /// yet.</summary>
    public void Attach(Adapter adapter)
    {
        _adapters = new(_adapters, StringComparer.Ordinal) { { adapter.Name, adapter } };
        foreach (var (path, part) in adapter.Layers)
        {
            var layer = LayerAt(path);
            if (!_layers.TryGetValue(layer, out var dispatcher))
            {
                _layers.Add(layer, dispatcher = new AdapterDispatcher(set, layer));
                layer.Hook = dispatcher;
            }
            dispatcher.Parts.Add(adapter, part);
        }
        foreach (var (_, place, part) in adapter.Residuals)
        {
            if (!_residuals.TryGetValue(place, out var dispatcher))
            {
                _residuals.Add(place, dispatcher = new ResidualDispatcher(set));
                place.Hook = dispatcher;
            }
            dispatcher.Parts.Add(adapter, part);
        }
    }

    /// <summary>Detaches an adapter that is not merged and frees its memory. A layer without adapters has no hook.</summary>
    public void Detach(Adapter adapter)
    {
        set.Remove(adapter);
        _adapters = new(_adapters.Where(other => other.Value != adapter), StringComparer.Ordinal);
        adapter.IsDetached = true;
        foreach (var (path, _) in adapter.Layers)
        {
            var layer = LayerAt(path);
            _layers[layer].Parts.Remove(adapter);
            _layers[layer].Free();
            if (_layers[layer].Parts.IsEmpty)
            {
                _layers.Remove(layer);
                layer.Hook = null;
            }
        }
        foreach (var place in adapter.Residuals.Select(residual => residual.Place))
        {
            _residuals[place].Parts.Remove(adapter);
            if (_residuals[place].Parts.IsEmpty)
            {
                _residuals.Remove(place);
                place.Hook = null;
            }
        }
        adapter.Free();
    }

    /// <summary>Every parameter once: those of the base, including those replaced by swaps, and those of all adapters.</summary>
    public IReadOnlyCollection<Parameter> AllParameters() =>
        [.. model.NamedParameters().Select(p => p.Parameter)
            .Concat(_adapters.Values.SelectMany(adapter => adapter.Swaps).Select(swap => swap.Original).OfType<Parameter>())
            .Concat(_adapters.Values.SelectMany(adapter => adapter.Parameters.Select(p => p.Parameter))).Distinct()];

    /// <summary>Elements of all parameters, and of those that require a gradient.</summary>
    public (long All, long Trainable) Count()
    {
        var all = AllParameters();
        return (all.Sum(parameter => parameter.Shape.Count),
            all.Where(parameter => parameter.RequiresGrad).Sum(parameter => parameter.Shape.Count));
    }

    /// <summary>The sentence Hugging Face PEFT prints before training.</summary>
    public string TrainableSummary()
    {
        var (all, trainable) = Count();
        return string.Create(CultureInfo.InvariantCulture,
            $"trainable params: {trainable:N0} || all params: {all:N0} || trainable%: {100.0 * trainable / all:F4}");
    }

    /// <summary>The layer at a path. The path may name any module, but methods attach only to layers.</summary>
    private Layer LayerAt(string path) =>
        model.Find(path) as Layer ?? throw new InvalidOperationException($"an adapter is attached at \"{path}\", which is no layer");
}
