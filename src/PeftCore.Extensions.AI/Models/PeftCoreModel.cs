using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Tokenizers;

namespace PeftCore.Extensions.AI;

/// <summary>A loaded base model with adapters by name, which several clients and threads use at once. An adapter can be loaded, replaced
/// and removed while requests run.
/// <code>
/// using var model = PeftCoreModel.Load(new PeftCoreChatOptions { ModelDirectory = "./TinyLlama" });
/// model.LoadAdapter("poems", "./poems-adapter");
/// using var client = new PeftCoreChatClient(model, "poems");
/// </code></summary>
public sealed class PeftCoreModel : IDisposable
{
    private readonly AdapterTable _table;
    private readonly ILogger _logger;
    private readonly Backend? _ownBackend;
    private readonly Lock _loading = new();
    private readonly Lock _releasing = new();
    private int _loads;
    private Task _releases = Task.CompletedTask;

    /// <summary>Serves a model that is loaded already; its attached adapters serve under their names. The caller disposes it.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="backend">Its device.</param>
    /// <param name="options">The names, the chat template, and how many requests run at once; where the model is loaded from is read only
    /// for generation_config.json and the files of Sentence Transformers.</param>
    /// <param name="loggers">Receives what is loaded; null for no log.</param>
    /// <exception cref="BadInputException">The base has no name, or the default adapter is not attached.</exception>
    public PeftCoreModel(PeftModel model, Tokenizer tokenizer, Backend backend, PeftCoreModelOptions options,
        ILoggerFactory? loggers = null)
        : this(model, tokenizer, backend, options, loggers, ownsModel: false)
    {
        foreach (string name in model.AdapterNames)
        {
            _table.Put(name, new ServedAdapter(name));
        }
        CheckDefault();
    }

    private PeftCoreModel(PeftModel model, Tokenizer tokenizer, Backend backend, PeftCoreModelOptions options, ILoggerFactory? loggers,
        bool ownsModel)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(backend);
        ArgumentNullException.ThrowIfNull(options);
        if (options.ModelDirectory.Length == 0 && options.ModelId is null)
        {
            throw new BadInputException("the base model has no name; give a ModelId, or the ModelDirectory whose name it has");
        }
        (Model, Tokenizer, Options, _ownBackend) = (model, tokenizer, options, ownsModel ? backend : null);
        _logger = (loggers ?? NullLoggerFactory.Instance).CreateLogger<PeftCoreModel>();
        _table = new AdapterTable(Release);
        Requests = new RequestRunner(model, backend, tokenizer, options as PeftCoreChatOptions ?? new PeftCoreChatOptions(), Computations,
            _logger);
    }

    /// <summary>The base model and its attached adapters.</summary>
    public PeftModel Model { get; }

    /// <summary>The model's tokenizer.</summary>
    public Tokenizer Tokenizer { get; }

    /// <summary>The name of the base model in requests.</summary>
    public string ModelId => Options.NameOfBase;

    /// <summary>The model's directory; null for a model that was made in memory.</summary>
    public string? Directory => Options.ModelDirectory.Length > 0 ? Options.ModelDirectory : null;

    /// <summary>The names under which adapters serve, sorted.</summary>
    public IReadOnlyList<string> AdapterNames => _table.Names;

    /// <summary>Loads a model and its adapters.</summary>
    /// <param name="options">Where they are.</param>
    /// <param name="loggers">Receives what is loaded, and warnings about it; null for no log.</param>
    /// <exception cref="BadInputException">An option is invalid, or a file is missing or damaged.</exception>
    public static PeftCoreModel Load(PeftCoreModelOptions options, ILoggerFactory? loggers = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ModelOptionsChecks.ThrowIfBad(options);
        var logger = (loggers ?? NullLoggerFactory.Instance).CreateLogger<PeftCoreModel>();
        long start = Stopwatch.GetTimestamp();
        var backend = options.NewBackend();
        try
        {
            var model = new PeftModel(LoadBase(options, backend, logger));
            var tokenizer = Tokenizer.FromDirectory(DirectoryOf(options));
            var loaded = new PeftCoreModel(model, tokenizer, backend, options, loggers, ownsModel: true);
            Log.ModelLoaded(logger, loaded.ModelId, options.ModelDirectory, model.ParameterCount, backend.Name,
                Stopwatch.GetElapsedTime(start).TotalSeconds);
            foreach (var (name, directory) in options.Adapters)
            {
                loaded.LoadAdapter(name, directory);
            }
            loaded.CheckDefault();
            return loaded;
        }
        catch
        {
            backend.Dispose();
            throw;
        }
    }

    /// <summary>Loads an adapter and serves it under a name. Requests that run with an adapter of this name end with that one.</summary>
    /// <param name="name">The name that requests use as their model id.</param>
    /// <param name="directory">The adapter's directory.</param>
    /// <exception cref="BadInputException">The name is that of the base, or the adapter is missing, damaged, or of another
    /// model.</exception>
    public void LoadAdapter(string name, string directory)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        if (name == ModelId)
        {
            throw new BadInputException($"an adapter cannot be called \"{name}\", which is the name of the base model; choose another");
        }
        long start = Stopwatch.GetTimestamp();
        List<string> warnings = [];
        string attached;
        lock (_loading)
        {
            // The model has the old adapter until its last request has ended, so the new one needs a name of its own there.
            attached = Model.AdapterNames.Contains(name) ? $"{name}#{++_loads}" : name;
            var active = Model.ActiveAdapters;
            Model.Load(directory, attached, warnings: warnings);
            // Requests name their adapter; what others run with stays what it was.
            Model.SetActive(active);
        }
        bool isNew = !AdapterNames.Contains(name);
        _table.Put(name, new ServedAdapter(attached, directory, PoolingOf(directory)));
        warnings.ForEach(warning => Log.LoadWarning(_logger, warning));
        Log.AdapterLoaded(_logger, name, directory, Stopwatch.GetElapsedTime(start).TotalSeconds, isNew ? "loaded" : "replaced");
    }

    /// <summary>Stops to serve an adapter. Requests that run with it end with it.</summary>
    /// <returns>Whether there was one of this name.</returns>
    public bool RemoveAdapter(string name)
    {
        bool removed = _table.Remove(name);
        if (removed)
        {
            Log.AdapterRemoved(_logger, name);
        }
        return removed;
    }

    /// <summary>Frees the model if it was loaded here. Requests that run end with an <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose()
    {
        if (IsDisposed)
        {
            return;
        }
        IsDisposed = true;
        Requests.Dispose();
        Computations.Close();
        Task releases;
        lock (_releasing)
        {
            releases = _releases;
        }
        releases.GetAwaiter().GetResult();
        if (_ownBackend is not null)
        {
            Model.Base.Dispose();
            _ownBackend.Dispose();
        }
    }

    /// <summary>Whether the model is disposed.</summary>
    internal bool IsDisposed { get; private set; }

    /// <summary>The options.</summary>
    internal PeftCoreModelOptions Options { get; }

    /// <summary>The computations that read the model outside the batcher.</summary>
    internal ComputeGate Computations { get; } = new(typeof(PeftCoreModel));

    /// <summary>Generates the answers of requests.</summary>
    internal RequestRunner Requests { get; }

    /// <summary>The adapter of a request, until the lease is disposed.</summary>
    /// <param name="modelId">The model id of the request: the base's name, that of an adapter, or null for the default.</param>
    /// <param name="defaultAdapter">The adapter of a request that names no model; null for the model's own default.</param>
    /// <exception cref="BadInputException">There is no such model.</exception>
    internal AdapterLease Lease(string? modelId, string? defaultAdapter = null)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        string name = NameOf(modelId, defaultAdapter);
        return name == ModelId ? new AdapterLease(new ServedAdapter(PeftModel.NoAdapter), () => { })
            : _table.Lease(name) ?? throw new BadInputException($"there is no model \"{name}\"; expected " +
                string.Join(" or ", AdapterNames.Prepend(ModelId).Select(known => $"\"{known}\"")));
    }

    /// <summary>The name of the model that a request means.</summary>
    internal string NameOf(string? modelId, string? defaultAdapter = null) =>
        modelId ?? defaultAdapter ?? Options.DefaultAdapter ?? ModelId;

    /// <summary>Loads the base model of options on a device.</summary>
    internal static TransformerModel LoadBase(PeftCoreModelOptions options, Backend backend, ILogger logger)
    {
        List<string> warnings = [];
        var task = options is PeftCoreEmbeddingOptions ? new TaskOptions { Task = ModelTask.FeatureExtraction } : null;
        var model = ModelLoader.Load(DirectoryOf(options), backend, options.DType, warnings, task);
        warnings.ForEach(warning => Log.LoadWarning(logger, warning));
        return model;
    }

    /// <summary>The directory of the adapter that serves under a name; null if there is none, or it was made in memory.</summary>
    internal string? DirectoryOfAdapter(string name) => _table.DirectoryOf(name);

    /// <summary>The pooling that an adapter of embeddings was trained with, if its file names one.</summary>
    private string? PoolingOf(string directory) =>
        Model.Base.Task == ModelTask.FeatureExtraction ? SavedAdapter.TaskOf(directory)?.Pooling : null;

    private static string DirectoryOf(PeftCoreModelOptions options) => options is PeftCoreEmbeddingOptions
        ? Embeddings.SentenceModules.ModelDirectoryOf(options.ModelDirectory) : options.ModelDirectory;

    private void CheckDefault()
    {
        if (Options.DefaultAdapter is { } name && name != ModelId && !AdapterNames.Contains(name))
        {
            throw new BadInputException($"the default adapter \"{name}\" is not among the adapters " +
                $"({(AdapterNames.Count == 0 ? "none" : string.Join(", ", AdapterNames))}); add it");
        }
    }

    /// <summary>Detaches an adapter after its last request. The change waits for the calls under way, so that it must not be made by a
    /// thread that ends one.</summary>
    private void Release(string attached)
    {
        lock (_releasing)
        {
            if (IsDisposed && _ownBackend is not null)
            {
                return; // All adapters are freed with the model.
            }
            _releases = _releases.ContinueWith(_ => Delete(attached), CancellationToken.None, TaskContinuationOptions.None,
                TaskScheduler.Default);
        }
    }

    private void Delete(string attached)
    {
        if (Model.AdapterNames.Contains(attached)) // The owner of the model may have deleted it.
        {
            Model.Delete(attached);
            Log.AdapterReleased(_logger, attached);
        }
    }
}
