using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Peft.Prompts;

namespace PeftCore.Peft;

/// <summary>A base model with adapters on it. Several can be attached; those that are active change what the base computes, one trains.
/// The base itself is frozen and never changed until a merge.</summary>
public sealed partial class PeftModel
{
    /// <summary>The name an adapter has when none is given.</summary>
    public const string DefaultAdapter = "default";

    /// <summary>Stands for "no adapter" in a mixed batch.</summary>
    public const string NoAdapter = "__base__";

    private readonly Dictionary<string, Adapter> _adapters = new(StringComparer.Ordinal);
    private List<string> _active = [];
    private bool _disabled;

    /// <summary>Freezes a model and makes it ready for adapters.</summary>
    public PeftModel(CausalModel model)
    {
        Base = model;
        model.SetRequiresGrad(false);
        model.Penalty = Penalty;
        model.VirtualTokens = new AdapterPrompts(this);
    }

    /// <summary>The base model; calls on it run with the active adapters.</summary>
    public CausalModel Base { get; }

    /// <summary>Whether adapters attached from now on get the gradients that Hugging Face PEFT gives them even where those are not the
    /// derivatives, so that runs can be compared. It matters for C³A alone.</summary>
    public bool GradientsLikeReference { get; set; }

    /// <summary>Names of the attached adapters.</summary>
    public IReadOnlyCollection<string> AdapterNames => _adapters.Keys;

    /// <summary>Names of the adapters that change the base's computation now, in their order.</summary>
    public IReadOnlyList<string> ActiveAdapters => _active;

    /// <summary>Parameters of the active adapters with the names Hugging Face PEFT has for them in memory.</summary>
    public IReadOnlyList<(string Name, Parameter Parameter)> Parameters =>
        [.. _active.Select(name => _adapters[name])
            .SelectMany(adapter => adapter.Parameters.Select(p => (p.MemoryName(adapter.Name), p.Parameter)))
            .OrderBy(p => p.Item1, StringComparer.Ordinal)];

    /// <summary>The sentence Hugging Face PEFT prints before training.</summary>
    public string TrainableSummary
    {
        get
        {
            var all = AllParameters();
            long total = all.Sum(parameter => parameter.Shape.Count);
            long trains = all.Where(parameter => parameter.RequiresGrad).Sum(parameter => parameter.Shape.Count);
            return string.Create(System.Globalization.CultureInfo.InvariantCulture,
                $"trainable params: {trains:N0} || all params: {total:N0} || trainable%: {100.0 * trains / total:F4}");
        }
    }

    /// <summary>Elements of all parameters, adapters included.</summary>
    public long ParameterCount => AllParameters().Sum(parameter => parameter.Shape.Count);

    /// <summary>Elements of the parameters that train.</summary>
    public long TrainableCount => AllParameters().Where(parameter => parameter.RequiresGrad).Sum(parameter => parameter.Shape.Count);

    /// <summary>Adapters whose layers run now: none while disabled, and none that are merged.</summary>
    internal IReadOnlyList<string> AppliedAdapters { get; private set; } = [];

    internal IReadOnlyList<string?>? RowAdapters { get; private set; }

    /// <summary>The task of each row, for adapters that have several; null for the first of all rows.</summary>
    internal IReadOnlyList<int>? RowTasks { get; set; }

    /// <summary>Gives the base's token embedding and head another number of rows; see <see cref="CausalModel.ResizeTokenEmbeddings"/>.
    /// Adapters that are attached later save both tables with them.</summary>
    /// <param name="rows">Tokens of the vocabulary from now on.</param>
    /// <exception cref="BadInputException">There is no such number of rows, or adapters are attached.</exception>
    public void ResizeTokenEmbeddings(int rows)
    {
        if (_adapters.Count > 0)
        {
            throw new BadInputException(
                $"the token tables cannot be resized while adapters are attached ({string.Join(", ", _adapters.Keys)}); resize the model " +
                "before");
        }
        Base.ResizeTokenEmbeddings(rows);
    }

    /// <summary>Attaches a new adapter and makes it the only active one, ready to train. Adapters that are merged are taken out of the
    /// weights.</summary>
    /// <param name="config">Method and hyperparameters.</param>
    /// <param name="name">The adapter's name; when saved, it becomes the name of a directory.</param>
    /// <param name="seed">Seed of its initial values.</param>
    /// <exception cref="BadInputException">The name cannot be used, or the configuration does not fit the model.</exception>
    public void AddAdapter(PeftConfig config, string name = DefaultAdapter, ulong seed = 0)
    {
        Register(Attach(config, new AttachContext(Base, name, seed) { LikeReference = GradientsLikeReference }));
        SetActive(name);
    }

    /// <summary>The configuration of an adapter.</summary>
    public PeftConfig ConfigOf(string name) => Get(name).Config;

    /// <summary>Detaches an adapter and frees its memory.</summary>
    public void Delete(string name)
    {
        var adapter = Get(name);
        Unmerge(name);
        Unapply();
        _adapters.Remove(name);
        _active.Remove(name);
        foreach (var (path, _) in adapter.Layers)
        {
            var layer = (Layer)Base.Find(path)!;
            var dispatcher = (AdapterDispatcher)layer.Hook!;
            dispatcher.Remove(name);
            if (dispatcher.IsEmpty)
            {
                layer.Hook = null;
            }
        }
        foreach (var place in adapter.Sums.Select(sum => sum.Place))
        {
            var dispatcher = (ResidualDispatcher)place.Hook!;
            dispatcher.Remove(name);
            place.Hook = dispatcher.IsEmpty ? null : dispatcher;
        }
        adapter.Free();
        Apply();
    }

    /// <summary>Detaches all adapters: the base is as it was before the first.</summary>
    public CausalModel Unload()
    {
        foreach (string name in _adapters.Keys.ToList())
        {
            Delete(name);
        }
        _disabled = false;
        return Base;
    }

    internal Adapter Get(string name) => _adapters.TryGetValue(name, out var adapter)
        ? adapter
        : throw new BadInputException(
        $"there is no adapter \"{name}\"; attached are {(_adapters.Count == 0 ? "none" : string.Join(", ", _adapters.Keys))}");

    /// <summary>Has a method attach itself; on failure nothing is left behind.</summary>
    private Adapter Attach(PeftConfig config, AttachContext context, AdapterTables? tables = null)
    {
        AdapterName.Check(context.Name, _adapters.Keys);
        if (context.IsNew && config.StartProblem is { } problem)
        {
            throw new BadInputException(problem);
        }
        return OnPlainBase(() =>
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

    private void Register(Adapter adapter)
    {
        _adapters.Add(adapter.Name, adapter);
        foreach (var (path, part) in adapter.Layers)
        {
            var layer = (Layer)Base.Find(path)!;
            var dispatcher = (AdapterDispatcher)(layer.Hook ??= new AdapterDispatcher(this, layer));
            dispatcher.Add(adapter.Name, part);
        }
        foreach (var (_, place, part) in adapter.Sums)
        {
            ((ResidualDispatcher)(place.Hook ??= new ResidualDispatcher(this))).Add(adapter.Name, part);
        }
    }

    /// <summary>Runs code while the base has its own parameters, without those of any adapter.</summary>
    private T OnPlainBase<T>(Func<T> body)
    {
        Unapply();
        try
        {
            return body();
        }
        finally
        {
            Apply();
        }
    }

    private void OnPlainBase(Action body) => OnPlainBase(() =>
    {
        body();
        return true;
    });

    private void Apply()
    {
        foreach (string name in _disabled ? [] : _active)
        {
            _adapters[name].Swaps.ForEach(swap => swap.Activate());
        }
        AppliedAdapters = _disabled ? [] : [.. _active.Where(name => !_merged.ContainsKey(name))];
        ApplyMerges();
    }

    private void Unapply()
    {
        UnapplyMerges();
        foreach (var adapter in _adapters.Values)
        {
            adapter.Swaps.ForEach(swap => swap.Deactivate());
        }
        AppliedAdapters = [];
    }

    private List<Parameter> AllParameters() =>
        [.. Base.NamedParameters().Select(p => p.Parameter)
            .Concat(_adapters.Values.SelectMany(adapter => adapter.Swaps).Select(swap => swap.Original).OfType<Parameter>())
            .Concat(_adapters.Values.SelectMany(adapter => adapter.Parameters.Select(p => p.Parameter))).Distinct()];
}
