using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Nn;
using PeftCore.Peft.Lora;
using PeftCore.Peft.Prompts;
using PeftCore.Tokenizers;

namespace PeftCore.Peft;

/// <summary>A frozen base model with adapters. Several can be attached; the active ones change the output of the base, and are trained. The
/// base's own parameters do not change, except by <see cref="MergeAndUnload"/>. <see cref="AdapterRegistry"/> holds the attached adapters,
/// <see cref="ActiveSet"/> the active ones.</summary>
/// <example>
/// <code>
/// using var backend = new CpuBackend();
/// var model = new PeftModel(ModelLoader.Load(modelDirectory, backend));
/// model.AddAdapter(new LoraConfig { Rank = 8, Alpha = 16 });
/// Console.WriteLine(model.TrainableSummary);
/// model.Save(outputDirectory);
///
/// var again = new PeftModel(ModelLoader.Load(modelDirectory, backend));
/// again.Load(outputDirectory);
/// again.Merge();
/// </code>
/// </example>
public sealed partial class PeftModel
{
    /// <summary>The default name of an adapter.</summary>
    public const string DefaultAdapter = "default";

    /// <summary>The name that means "no adapter" for a row of a mixed batch.</summary>
    public const string NoAdapter = "__base__";

    private readonly AdapterRegistry _registry;
    private readonly Merger _merger;
    private readonly AdapterFiles _files;

    /// <summary>Wraps and freezes a model, so that adapters can be attached.</summary>
    public PeftModel(TransformerModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        Base = model;
        Set = new ActiveSet { Find = Get };
        model.CallAdapters = Set;
        _registry = new AdapterRegistry(model, Set);
        _merger = new Merger(model, _registry, Set);
        _files = new AdapterFiles(model, _registry, Set, _merger);
        Steps = new StepHooks(Set);
        model.SetRequiresGrad(false);
        model.Penalty = Steps.Penalty;
        model.VirtualTokens = new AdapterPrompts(Set);
    }

    /// <summary>The base model; calls on it run with the active adapters.</summary>
    public TransformerModel Base { get; }

    /// <summary>Whether adapters attached later compute Hugging Face PEFT's gradients even where these are not the derivatives (C³A; LoHa
    /// with use_effective_conv2d), and its outputs even where it merges to others (OFT on convolutions), and whether runs that begin later
    /// round LoRA-FA's projected gradients to BF16 as it does, so that runs can be compared.</summary>
    public bool GradientsLikeReference { get; set; }

    /// <summary>Names of the attached adapters.</summary>
    public IReadOnlyCollection<string> AdapterNames => _registry.Names;

    /// <summary>Names of the active adapters, in their order.</summary>
    public IReadOnlyList<string> ActiveAdapters => Set.Names;

    /// <summary>Names of the merged adapters.</summary>
    internal IReadOnlyCollection<string> MergedAdapters => [.. Set.Merged.Select(adapter => adapter.Name)];

    /// <summary>Parameters of the active adapters under the names of Hugging Face PEFT's parameters, sorted by name.</summary>
    public IReadOnlyList<(string Name, Parameter Parameter)> Parameters =>
        [.. Set.Active.SelectMany(adapter => adapter.Parameters.Select(p => (p.MemoryName(adapter.Name), p.Parameter)))
            .OrderBy(p => p.Item1, StringComparer.Ordinal)];

    /// <summary>The sentence Hugging Face PEFT prints before training.</summary>
    public string TrainableSummary => _registry.TrainableSummary();

    /// <summary>Elements of all parameters, adapters included.</summary>
    public long ParameterCount => _registry.Count().All;

    /// <summary>Elements of the parameters that require a gradient.</summary>
    public long TrainableCount => _registry.Count().Trainable;

    /// <summary>The active set.</summary>
    internal ActiveSet Set { get; }

    /// <summary>What the active adapters do before and after each training step.</summary>
    internal StepHooks Steps { get; }

    /// <summary>Resizes the base's token embedding and head; see <see cref="TransformerModel.ResizeTokenEmbeddings"/>. Both tables are
    /// saved with adapters attached later.</summary>
    /// <exception cref="BadInputException">The number of rows is invalid, or adapters are attached.</exception>
    public void ResizeTokenEmbeddings(int rows)
    {
        using var change = Set.BeginChange();
        _registry.RefuseResize();
        Base.ResizeTokenEmbeddings(rows);
    }

    /// <summary>Attaches a new adapter and makes it the only active one, ready to train. Merged adapters are unmerged.</summary>
    /// <param name="config">Method and hyperparameters.</param>
    /// <param name="name">The adapter's name; when saved, the name of its directory.</param>
    /// <param name="seed">Seed of its initial values.</param>
    /// <exception cref="BadInputException">The name is invalid or taken, or the configuration does not fit the model.</exception>
    public void AddAdapter(PeftConfig config, string name = DefaultAdapter, ulong seed = 0)
    {
        using var change = Set.BeginChange();
        _registry.Add(config, new AttachContext(Base, name, seed) { LikeReference = GradientsLikeReference });
    }

    /// <summary>Attaches a LoRA whose initialisation needs data (EVA, CorDA, LoRA-GA) and makes it the only active adapter.</summary>
    /// <param name="config">Hyperparameters. EVA distributes ranks over the layers; the adapter's configuration holds the result.</param>
    /// <param name="run">Runs some batches through <see cref="Base"/>; for LoRA-GA forward and backward, and once for each layer.</param>
    /// <param name="name">The adapter's name.</param>
    /// <param name="seed">Seed of random values.</param>
    /// <exception cref="BadInputException">The initialisation needs no data, or there were none.</exception>
    public void AddCalibratedAdapter(LoraConfig config, Action run, string name = DefaultAdapter, ulong seed = 0)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(run);
        using var change = Set.BeginChange();
        new LoraCalibrator(Base, _registry, Set).Attach(config, run, name, seed);
    }

    /// <summary>Attaches a new LoRA that is a weighted combination of adapters of any method that adds to the weights of linear layers. It
    /// is neither active nor trainable.</summary>
    /// <param name="names">The adapters.</param>
    /// <param name="weights">One weight per adapter; a negative one subtracts the adapter's update.</param>
    /// <param name="newName">The new adapter's name.</param>
    /// <param name="combination">The combination. A single adapter is copied and multiplied by its weight.</param>
    /// <param name="density">Fraction of the elements that pruning combinations keep.</param>
    /// <param name="majoritySign">The rule by which TIES elects signs.</param>
    /// <param name="svdRank">Rank of combinations by SVD; null for the largest rank of the adapters.</param>
    /// <param name="seed">Seed of random pruning.</param>
    /// <exception cref="BadInputException">The adapters cannot be combined in this way.</exception>
    public void AddWeightedAdapter(IReadOnlyList<string> names, IReadOnlyList<double> weights, string newName,
        CombinationType combination = CombinationType.Svd, double? density = null, MajoritySign majoritySign = MajoritySign.Total,
        int? svdRank = null, ulong seed = 0)
    {
        using var change = Set.BeginChange();
        ArgumentNullException.ThrowIfNull(weights);
        _merger.Combine(Given.Items(names), weights, newName, combination, density, majoritySign, svdRank, seed);
    }

    /// <summary>The configuration of an adapter.</summary>
    public PeftConfig ConfigOf(string name) => Get(name).Config;

    /// <summary>Detaches an adapter and frees its memory.</summary>
    public void Delete(string name)
    {
        using var change = Set.BeginChange();
        _merger.Unmerge(Get(name));
        _registry.Detach(Get(name));
    }

    /// <summary>Detaches all adapters, which restores the original base.</summary>
    public TransformerModel Unload()
    {
        using var change = Set.BeginChange();
        AdapterNames.ToList().ForEach(Delete);
        Set.SetDisabled(false);
        return Base;
    }

    /// <summary>Makes these adapters the active ones, which calls that name none run with; their updates add up. Only their parameters
    /// require gradients: those that were trainable when the adapter was last active. Merged adapters are unmerged.</summary>
    /// <exception cref="BadInputException">A name is unknown, or more than one adapter replaces base parameters.</exception>
    public void SetActive(params IReadOnlyList<string> names)
    {
        using var change = Set.BeginChange();
        Set.Activate([.. Given.Items(names).Distinct().Select(Get)]);
    }

    /// <summary>Freezes all adapters, for inference.</summary>
    public void Freeze() => AdapterNames.ToList().ForEach(name => SetRequiresGrad(name, false));

    /// <summary>Makes all parameters of an adapter trainable, or freezes them. Switching adapters does not change this.</summary>
    public void SetRequiresGrad(string name, bool requiresGrad) =>
        Get(name).SetRequiresGrad(requiresGrad, ActiveAdapters.Contains(name));

    /// <summary>Runs a call with other adapters than the active ones: those of these names together, or none for an empty list. They belong
    /// to the call: they flow with it over await and into tasks that it starts, and calls on other threads do not see them. An adapter that
    /// replaces parameters of the base makes the call run alone, while others wait.</summary>
    /// <exception cref="BadInputException">A name is unknown, or more than one adapter replaces base parameters.</exception>
    public T WithAdapters<T>(IReadOnlyList<string> names, Func<T> body)
    {
        ArgumentNullException.ThrowIfNull(body);
        Adapter[] adapters = [.. Given.Items(names).Where(name => name != NoAdapter).Distinct().Select(Get)];
        return Set.With(adapters.Length == 1 ? adapters[0].Alone : adapters, body);
    }

    /// <summary>Runs a call with all adapters disabled.</summary>
    internal T WithoutAdapters<T>(Func<T> body) => Set.WithoutAdapters(body);

    /// <summary>Disables all adapters, including the merged ones, until <see cref="Enable"/>.</summary>
    public void Disable()
    {
        using var change = Set.BeginChange();
        Set.SetDisabled(true);
    }

    /// <summary>Enables the active adapters again.</summary>
    public void Enable()
    {
        using var change = Set.BeginChange();
        Set.SetDisabled(false);
    }

    /// <summary>Runs a call on a batch whose rows belong to tasks of a multitask adapter: one task per row, or one for all, counted from 0.
    /// By default all rows belong to task 0. Tasks in the batch itself take precedence.</summary>
    public T WithTasks<T>(IReadOnlyList<int> tasks, Func<T> body)
    {
        ArgumentNullException.ThrowIfNull(body);
        return Set.WithTasks(tasks, body);
    }

    /// <summary>Runs a call on a mixed batch: each row uses the adapter of its name, or none for <see cref="NoAdapter"/>.</summary>
    /// <exception cref="BadInputException">A row's adapter does not support mixed batches, or adapters are merged.</exception>
    public T WithRowAdapters<T>(IReadOnlyList<string> rows, Func<T> body) =>
        Set.WithRows(new MixedRows([.. Given.Items(rows).Select(name => name == NoAdapter ? null : Get(name))]),
            Base.GradientCheckpointing, body ?? throw new ArgumentNullException(nameof(body)));

    /// <summary>Merges the active adapters into copies of the weights they change, so that inference has no extra cost. Half-precision
    /// weights are merged in F32 and rounded once. Merging twice changes nothing.</summary>
    /// <param name="safe">Throw, and change nothing, if a merged weight is not finite.</param>
    /// <exception cref="BadInputException">An adapter cannot be merged, or a merged weight is not finite.</exception>
    public void Merge(bool safe = true)
    {
        using var change = Set.BeginChange();
        _merger.Merge(safe);
    }

    /// <summary>Replaces merged weights by the base's own, so that the base is bit-equal to the original.</summary>
    public void Unmerge()
    {
        using var change = Set.BeginChange();
        Set.RemoveMerged();
    }

    /// <summary>Merges the active adapters permanently into the base and detaches all adapters. Weights are merged one at a time, so the
    /// extra memory is that of one weight, not of a second model.</summary>
    /// <param name="safe">Throw, and change nothing, if a merged weight is not finite. Each weight is then merged
    /// twice.</param>
    /// <param name="keepTies">If one module of a tied weight changes, change the other too, as in Hugging Face PEFT; the output then
    /// differs from that of base and adapters. Otherwise the tie is removed.</param>
    /// <param name="warnings">Receives a sentence with the error of rounding if weights are quantised, since a merged weight is quantised
    /// again; null to ignore it.</param>
    /// <returns>The base, whose output is now that of base and adapters.</returns>
    /// <exception cref="BadInputException">An adapter cannot be merged, or a merged weight is not finite.</exception>
    public TransformerModel MergeAndUnload(bool safe = true, bool keepTies = false, ICollection<string>? warnings = null)
    {
        using var change = Set.BeginChange();
        _merger.MergeForGood(safe, keepTies, warnings);
        return Unload();
    }

    /// <summary>Generates text after a prompt; see <see cref="Generator.Generate(string, Tokenizer, GenerationOptions?, Action{int,
    /// string}?, string?, CancellationToken)"/>.</summary>
    /// <exception cref="BadInputException">The prompt is empty or does not fit the model, an option is out of range, or there is no such
    /// adapter.</exception>
    public GenerationResult Generate(string prompt, Tokenizer tokenizer, GenerationOptions? options = null, string? adapter = null,
        Action<int, string>? onToken = null, CancellationToken cancel = default) =>
        new Generator(Base, Base.Backend).Generate(prompt, tokenizer, options, onToken, adapter, cancel);

    /// <summary>What the active adapters change of a layer's weight, ΔW = W' − W, and its singular values, to look at. The layer of a
    /// method that only adds to W gives ΔW itself, without the rounding of W'.</summary>
    /// <param name="path">The path of a linear layer or a convolution, such as "model.layers.0.self_attn.q_proj".</param>
    /// <returns>ΔW (out, in), row-major, and min(out, in) singular values, which descend; null if no active adapter changes the
    /// weight.</returns>
    /// <exception cref="BadInputException">There is no such layer, or the adapter's update of it is no change of the weight alone.
    /// </exception>
    public (double[] Delta, double[] SingularValues)? WeightUpdate(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        using var change = Set.BeginChange();
        return _merger.WhileUnmerged(() => Lora.WeightUpdate.Of(Set, path, Base.Find(path) as MatrixLayer
            ?? throw new BadInputException($"\"{path}\" is no linear layer of this model")));
    }

    internal Adapter Get(string name) => _registry.Get(name);

    /// <summary>Attaches an adapter whose values do not matter, for memory plans and benchmarks: an initialisation that needs data is
    /// skipped, and with EVA every layer has the configured rank.</summary>
    public void AddPlannedAdapter(PeftConfig config, ulong seed = 0)
    {
        using var change = Set.BeginChange();
        _registry.Add(config, new AttachContext(Base, DefaultAdapter, seed) { ShapesOnly = true });
    }
}
