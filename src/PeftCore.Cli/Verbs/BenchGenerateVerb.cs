using System.Globalization;
using PeftCore.Backends;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Peft;
using PeftCore.Tensors;

namespace PeftCore.Cli.Verbs;

/// <summary>Times decoding: reading a prompt, then a token at a time with a cache of keys and values.</summary>
internal sealed class BenchGenerateVerb : Verb
{
    private readonly Settings<DecodingOptions> _settings = new(SettingRules.BenchGenerate);

    public BenchGenerateVerb() : base("generate", "Time reading a prompt and generating after it.") => _settings.AddTo(this);

    public override VerbResult Run(Invocation call)
    {
        var options = _settings.Read(call);
        var source = new DecodingSource(options);
        long planned = source.PlannedPeak();
        using var scope = new TensorScope();
        using var backend = Devices.Open(options.Device, options.Threads, options.MaxMemory, options.Dtype,
            packWeights: options.PackWeights);
        planned = (source.Within(backend)?.PeakBytes ?? planned) + backend.OwnBytes;
        var model = source.Build(backend, call.Terminal.Warn);
        if (options.LoraAdapters > 0)
        {
            return Batched(call, options, model, backend);
        }
        WarmUp.Run(options.Warmup, () => TimedDecoding.Run(model.Base, backend, options.Shape, call.Stop));
        backend.Memory.ResetPeak();
        var runs = Enumerable.Range(0, options.Runs).Select(_ => TimedDecoding.Run(model.Base, backend, options.Shape, call.Stop)).ToList();
        double first = Median(runs.Select(run => run.FirstToken)), step = Median(runs.SelectMany(run => run.Steps)),
            best = runs.Min(run => run.Steps.Min());
        double promptRate = options.BatchSize * options.PromptLength / first, rate = options.BatchSize / step;
        long peak = backend.Memory.PeakBytes, cache = runs[0].CacheBytes;
        string kept = Word(runs[0].CacheDType);
        call.Say(string.Create(CultureInfo.InvariantCulture,
            $"prompt {promptRate:N0} tok/s, first token after {1e3 * first:0.0} ms; then {rate:N1} tok/s, {1e3 * step:0.00} ms a step " +
            $"(best {1e3 * best:0.00})"));
        call.Say($"peak {new ByteSize(peak)}, planned {new ByteSize(planned)}, keys and values {new ByteSize(cache)} in {kept}");
        var report = new JsonReport().Add("tok_s", rate).Add("prompt_tok_s", promptRate).Add("first_token_ms", 1e3 * first)
            .Add("ms_median", 1e3 * step).Add("ms_min", 1e3 * best).Add("peak_bytes", peak).Add("planned_bytes", planned)
            .Add("kv_cache_bytes", cache).Add("kv_cache_dtype", kept).Add("parameters", model.ParameterCount)
            .Add("batch_size", options.BatchSize).Add("prompt_length", options.PromptLength).Add("max_new_tokens", options.MaxNewTokens)
            .Add("device", backend.Name).Add("dtype", Word(options.Dtype));
        model.Unload();
        model.Base.Dispose();
        return VerbResult.Done(report);
    }

    /// <summary>Times requests of several adapters in one batch, and alone: the best of the runs.</summary>
    private static VerbResult Batched(Invocation call, DecodingOptions options, PeftModel model, Backend backend)
    {
        string[] adapters = TimedBatching.Attach(model, options.LoraAdapters);
        WarmUp.Run(options.Warmup, () => TimedBatching.Run(model, adapters, backend, options.Shape, call.Stop));
        List<TimedBatching> runs = [.. Enumerable.Range(0, options.Runs)
            .Select(_ => TimedBatching.Run(model, adapters, backend, options.Shape, call.Stop))];
        double one = runs.Max(run => run.OneAdapter), mixed = runs.Max(run => run.Mixed), alone = runs.Max(run => run.OneByOne);
        call.Say(string.Create(CultureInfo.InvariantCulture,
            $"{options.BatchSize} requests: of one adapter {one:N1} tok/s, of {adapters.Length} adapters {mixed:N1} tok/s " +
            $"({mixed / one:0.00} of that), one by one {alone:N1} tok/s (best of {options.Runs})"));
        var report = new JsonReport().Add("one_adapter_tok_s", one).Add("mixed_tok_s", mixed).Add("one_by_one_tok_s", alone)
            .Add("adapters", adapters.Length).Add("batch_size", options.BatchSize).Add("prompt_length", options.PromptLength)
            .Add("max_new_tokens", options.MaxNewTokens).Add("device", backend.Name).Add("dtype", Word(options.Dtype));
        model.Unload();
        model.Base.Dispose();
        return VerbResult.Done(report);
    }

    private static string Word(DType dtype) => dtype.ToString().ToLowerInvariant();

    private static double Median(IEnumerable<double> times)
    {
        double[] sorted = [.. times.Order()];
        return sorted[sorted.Length / 2];
    }
}
