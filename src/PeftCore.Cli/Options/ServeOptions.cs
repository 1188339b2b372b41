using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Server;
using PeftCore.Tensors;

namespace PeftCore.Cli.Options;

/// <summary>Settings of serve.</summary>
internal sealed record ServeOptions : VerbOptions, ISettings<ServeOptions>
{
    /// <summary>The environment variable of the API key, which the list of processes does not show.</summary>
    public const string KeyVariable = "PEFTCORE_API_KEY";

    private static readonly ServerOptions Usual = new();

    public static SettingRows<ServeOptions> Rows { get; } = new SettingRows<ServeOptions>(() => new())
        .Group(HelpGroups.Input)
        .Text("model", o => o.Model, (o, v) => o with { Model = v }, "directory of the model", value: "DIR",
            aliases: ["model-name-or-path"])
        .Text("served-model-name", o => o.ServedModelName, (o, v) => o with { ServedModelName = v },
            "name of the model in requests, without an adapter", value: "NAME", fallback: "the name of its directory")
        .Text("adapter", o => o.Adapter, (o, v) => o with { Adapter = v },
            "adapters with the names they have in requests; may be given several times", value: "NAME=DIR,…", isList: true, joins: true)
        .Text("adapters-dir", o => o.AdaptersDir, (o, v) => o with { AdaptersDir = v },
            "a directory of adapters, each called as its subdirectory", value: "DIR")
        .Whole("max-loaded-adapters", o => o.MaxLoadedAdapters, (o, v) => o with { MaxLoadedAdapters = v },
            "adapters in memory at once; the one unused for longest makes room", min: 1)
        .Whole("resize-token-embeddings", o => o.ResizeTokenEmbeddings, (o, v) => o with { ResizeTokenEmbeddings = v },
            SequenceOptions.ResizeHelp, min: 1, fallback: "as the model has them")
        .Text("chat-template", o => o.ChatTemplate, (o, v) => o with { ChatTemplate = v }, "a template instead of the model's own",
            value: NamedTemplate.Value)
        .Group(HelpGroups.Serving)
        .Text("host", o => o.Host, (o, v) => o with { Host = v }, "IP address to listen on; 0.0.0.0 for all", value: "ADDRESS")
        .Whole("port", o => o.Port, (o, v) => o with { Port = v }, "port to listen on; 0 for any free one", min: 0)
        .Text("api-key", o => o.ApiKey, (o, v) => o with { ApiKey = v }, "secret that requests must send; the environment variable " +
            KeyVariable + " keeps it out of the list of processes", value: "KEY", fallback: "none")
        .Bytes("max-request-bytes", o => o.MaxRequestBytes, (o, v) => o with { MaxRequestBytes = v }, "largest body of a request", "1MiB")
        .Whole("max-context", o => o.MaxContext, (o, v) => o with { MaxContext = v }, "most tokens of prompt and answer together", min: 2,
            fallback: "the model's context, or what --max-cache-bytes holds")
        .Whole("max-concurrent", o => o.MaxConcurrent, (o, v) => o with { MaxConcurrent = v },
            "texts generated at once, in steps that they share", min: 1)
        .Bytes("max-cache-bytes", o => o.MaxCacheBytes, (o, v) => o with { MaxCacheBytes = v },
            "most memory for keys and values of --max-concurrent texts, taken at the start", "1GiB")
        .Whole("max-queue", o => o.MaxQueue, (o, v) => o with { MaxQueue = v }, "texts that wait; more are refused with 429", min: 0)
        .Number("timeout", o => o.Timeout, (o, v) => o with { Timeout = v }, "seconds until a request is given up, waiting included",
            min: 0.001, max: 86400)
        .Number("drain-timeout", o => o.DrainTimeout, (o, v) => o with { DrainTimeout = v },
            "seconds that running requests have to end after a signal to stop", min: 0, max: 86400)
        .Group(HelpGroups.Device)
        .Text("device", o => o.Device, (o, v) => o with { Device = v }, "where to compute", choices: ["cpu", "cuda", "ilgpu-cpu"])
        .Choice("dtype", o => o.Dtype, (o, v) => o with { Dtype = v }, "in what to compute", values: [DType.F32, DType.BF16])
        .Text("kv-cache-dtype", o => o.KvCacheDtype, (o, v) => o with { KvCacheDtype = v }, SamplingOptions.KvCacheDTypeHelp,
            choices: ["auto", "f32", "bf16"], aliases: ["kv-dtype"])
        .Limits("max-memory", o => o.Limits, (o, v) => o with { Limits = v }, "the most memory to take")
        .Whole("threads", o => o.Threads, (o, v) => o with { Threads = v }, "CPU threads", min: 0, fallback: "all cores")
        .Quantized();

    public string? Model { get; init; }

    public string? ServedModelName { get; init; }

    public string? Adapter { get; init; }

    public string? AdaptersDir { get; init; }

    public int MaxLoadedAdapters { get; init; } = 8;

    public int? ResizeTokenEmbeddings { get; init; }

    public string? ChatTemplate { get; init; }

    public string Host { get; init; } = "127.0.0.1";

    public int Port { get; init; } = 8000;

    public string? ApiKey { get; init; }

    public ByteSize? MaxRequestBytes { get; init; }

    public ByteSize? MaxCacheBytes { get; init; }

    public int? MaxContext { get; init; }

    public int MaxConcurrent { get; init; } = 16;

    public int MaxQueue { get; init; } = 256;

    public double Timeout { get; init; } = 600;

    public double DrainTimeout { get; init; } = 30;

    public string Device { get; init; } = "cpu";

    public DType Dtype { get; init; } = DType.F32;

    public string KvCacheDtype { get; init; } = "auto";

    public MemoryLimits? Limits { get; init; }

    public int Threads { get; init; }

    /// <summary>The directories of --adapter by name.</summary>
    /// <exception cref="BadInputException">A part is not NAME=DIR, or a name is given twice.</exception>
    public IReadOnlyDictionary<string, string> Adapters
    {
        get
        {
            var all = new Dictionary<string, string>(StringComparer.Ordinal);
            foreach (string part in SamplingOptions.Directories(Adapter))
            {
                int middle = part.IndexOf('=', StringComparison.Ordinal);
                if (middle < 1 || middle == part.Length - 1)
                {
                    throw new BadInputException($"--adapter has \"{part}\", expected NAME=DIR, such as tenant-a=./out.");
                }
                string name = part[..middle];
                if (!all.TryAdd(name, part[(middle + 1)..]))
                {
                    throw new BadInputException($"--adapter names {name} twice; give each adapter a name of its own.");
                }
            }
            return all;
        }
    }

    /// <summary>How the server listens and what it refuses.</summary>
    public ServerOptions ToServer() => new()
    {
        Host = Host,
        Port = Port <= ushort.MaxValue ? Port : throw new BadInputException($"--port is {Port}, expected at most {ushort.MaxValue}."),
        ApiKey = Key(),
        MaxRequestBytes = MaxRequestBytes?.Bytes ?? Usual.MaxRequestBytes,
        MaxCacheBytes = MaxCacheBytes?.Bytes ?? Usual.MaxCacheBytes,
        MaxContext = MaxContext,
        MaxConcurrent = MaxConcurrent,
        MaxQueue = MaxQueue,
        Timeout = TimeSpan.FromSeconds(Timeout),
        DrainTimeout = TimeSpan.FromSeconds(DrainTimeout),
    };

    private string? Key()
    {
        string? key = ApiKey ?? (Environment.GetEnvironmentVariable(KeyVariable) is { Length: > 0 } set ? set : null);
        return key is null || (key.Length > 0 && key.All(c => c is > ' ' and <= '~')) ? key : throw new BadInputException(
            $"{(ApiKey is null ? KeyVariable : "--api-key")} is no key: expected letters, digits and signs of ASCII without spaces, as " +
            "they are sent in a header.");
    }
}
