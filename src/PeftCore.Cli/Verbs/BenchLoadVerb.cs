using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using PeftCore.Backends;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Ilgpu;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Cli.Verbs;

/// <summary>Times loading a model, from a directory or from sparse files of a configuration's size, and compares its memory with the
/// plan.</summary>
internal sealed class BenchLoadVerb : Verb
{
    private readonly Option<string?> _model = new("--model") { Description = "directory of the model", HelpName = "DIR" };
    private readonly Option<string?> _config = new("--config")
    {
        Description = "a config.json alone; the weights are zeros in sparse files, which take no disk space",
        HelpName = "FILE",
    };
    private readonly Option<int> _shards = NumberOption.Whole("--shards", "weight files of --config", 1);
    private readonly Option<string> _stored = DType("--stored", "how the files of --config store the weights", "bf16");
    private readonly QuantizationFlags _quantization = new();
    private readonly Option<string> _dtype = DType("--dtype", "dtype of the loaded weights", "stored", "stored");

    public BenchLoadVerb() : base("load", "Time loading a model.")
    {
        Add(_model);
        Add(_config);
        Add(_shards);
        Add(_stored);
        Add(_dtype);
        _quantization.AddTo(this);
    }

    public override VerbResult Run(Invocation call)
    {
        if (call.Value(_model) is null == call.Value(_config) is null)
        {
            throw new BadInputException("expected either --model DIR or --config FILE, the model to load.");
        }
        if (call.Value(_model) is not null && (call.IsGiven(_shards) || call.IsGiven(_stored)))
        {
            throw new BadInputException("--shards and --stored are about the files of --config; those of --model are as they are.");
        }
        using var files = new TemporaryDirectory();
        if (call.Value(_config) is { } config)
        {
            SparseCheckpoint.Write(files.FullPath, config, Parse(call.Value(_stored)!)!.Value, call.Value(_shards));
        }
        return Load(call, call.Value(_model) ?? files.FullPath, Parse(call.Value(_dtype)!), _quantization.Read(call));
    }

    private static VerbResult Load(Invocation call, string directory, DType? dtype, QuantizationOptions? quantization)
    {
        using var scope = new TensorScope();
        using var planned = new MetaBackend(chunkBytes: IlgpuDevices.ChunkBytes(call.Device));
        BaseLoading.Load(directory, planned, dtype, warn: null, quantization: quantization).Dispose();
        using var backend = Devices.Open(call.Device);
        long start = Stopwatch.GetTimestamp();
        using var model = BaseLoading.Load(directory, backend, dtype, call.Terminal.Warn, quantization: quantization);
        backend.Synchronize();
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        long stored = Directory.EnumerateFiles(directory, "*.safetensors").Sum(file => new FileInfo(file).Length),
            weights = model.NamedParameters().Sum(p => p.Parameter.Value.ByteCount);
        double rate = stored / seconds / 1e9;
        call.Say(string.Create(CultureInfo.InvariantCulture, $"{new ByteSize(stored)} in {seconds:0.00} s, {rate:0.00} GB/s"));
        call.Say($"peak {new ByteSize(backend.Memory.PeakBytes)}, planned {new ByteSize(planned.Memory.PeakBytes)}; the arena reserved " +
            $"{new ByteSize(backend.PeakReservedBytes)}, planned {new ByteSize(planned.PeakReservedBytes)}");
        return VerbResult.Done(new JsonReport().Add("stored_bytes", stored).Add("weight_bytes", weights)
            .Add("peak_bytes", backend.Memory.PeakBytes).Add("planned_bytes", planned.Memory.PeakBytes)
            .Add("reserved_bytes", backend.PeakReservedBytes).Add("planned_reserved_bytes", planned.PeakReservedBytes)
            .Add("seconds", seconds).Add("gb_s", rate).Add("device", backend.Name));
    }

    private static Option<string> DType(string name, string description, string fallback, params string[] others)
    {
        var option = new Option<string>(name) { Description = $"{description} [default: {fallback}]", DefaultValueFactory = _ => fallback };
        return option.AcceptOnlyFromAmong([.. others, "f32", "bf16", "f16"]);
    }

    private static DType? Parse(string name) => name switch
    {
        "f32" => Tensors.DType.F32,
        "bf16" => Tensors.DType.BF16,
        "f16" => Tensors.DType.F16,
        _ => null,
    };
}
