using System.Collections;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Nn;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Misuse;

/// <summary>The objects that an episode uses and misuses: what a program has, alive or disposed, and what the calls before
/// returned.</summary>
internal sealed class World
{
    private const int MostObjects = 400;
    private const long MemoryLimit = 256L << 20;

    private readonly List<object> _objects = [];
    private readonly string[] _paths;

    /// <summary>Makes a world in an empty directory.</summary>
    /// <param name="random">The episode's numbers.</param>
    /// <param name="directory">A directory that the episode may write to.</param>
    /// <param name="files">Its base models, adapters and data.</param>
    /// <param name="device">Opens the device of half of the worlds; null for processors only.</param>
    public World(Random random, string directory, Files files, Func<Backend>? device)
    {
        string model = files.CopyModel(random, directory);
        string data = Path.Combine(directory, "data.jsonl");
        File.WriteAllText(data, "{\"text\": \"one two three\"}\n{\"prompt\": \"a\", \"completion\": \"b\"}\n");
        _paths =
        [
            model, Path.Combine(model, "model.safetensors"), Path.Combine(model, "config.json"), data, directory,
            Path.Combine(directory, "new"), Path.Combine(directory, "no", "such", "place"), Path.Combine(data, "below-a-file"),
            .. Directory.GetDirectories(directory), "", "\0",
            files.Tokenizers[0], Path.Combine(directory, "adapter"),
        ];
        var backend = device is null ? new CpuBackend(1, MemoryLimit) : device();
        var other = new CpuBackend(2, 64L << 20, poison: true, packWeights: random.Next(2) == 0);
        var gone = new CpuBackend(1);
        var meta = new MetaBackend();
        Add(backend, other, gone, meta);
        AddTensors(random, backend, other, gone, meta);
        gone.Dispose();
        foreach (string place in files.Tokenizers)
        {
            Add(files.Tokenizer(place));
        }
        AddModules(backend, random);
        Try(() => AddModel(backend, model, random));
    }

    /// <summary>Adds objects of the libraries' types; of a collection, its first items.</summary>
    public void Add(params ReadOnlySpan<object?> objects)
    {
        foreach (object? item in objects)
        {
            if (item is null or string || item.GetType().IsPrimitive || item.GetType().IsEnum)
            {
                continue;
            }
            bool isOurs = item.GetType().Namespace?.StartsWith("PeftCore", StringComparison.Ordinal) == true || item is IList;
            if (isOurs && _objects.Count < MostObjects && !_objects.Contains(item, ReferenceEqualityComparer.Instance))
            {
                _objects.Add(item);
            }
            if (item is IList list)
            {
                for (int i = 0; i < Math.Min(3, list.Count); i++)
                {
                    Add(list[i]);
                }
            }
        }
    }

    /// <summary>A random object of a type; null if there is none.</summary>
    public object? Any(Type type, Random random)
    {
        int count = _objects.Count(type.IsInstanceOfType);
        return count == 0 ? null : _objects.Where(type.IsInstanceOfType).ElementAt(random.Next(count));
    }

    /// <summary>A text for a parameter: a path if its name says so.</summary>
    public string Text(string name, Random random) =>
        Array.Exists(["path", "directory", "file", "source", "output", "place", "resume"],
            part => name.Contains(part, StringComparison.OrdinalIgnoreCase))
            ? _paths[random.Next(_paths.Length)] : Numbers.Name(random);

    private void AddTensors(Random random, params ReadOnlySpan<Backend> backends)
    {
        float[] values = [.. Enumerable.Range(0, 64).Select(i => i * 0.25f - 3)];
        foreach (var backend in backends)
        {
            Add(backend.From(values.AsSpan(0, 6), [2, 3]), backend.From(values.AsSpan(0, 12), [4, 3]),
                backend.From(values.AsSpan(0, 16), [4, 4]), backend.From(values.AsSpan(0, 3), [3]), backend.From(values.AsSpan(0, 1), []),
                backend.From([1, 0, 2], [3]), backend.Zeros([2, 3], DType.BF16),
                backend.Zeros([2, 3], DType.I64), backend.Zeros([4], DType.U8), backend.Zeros([0, 3]),
                backend.From(values, [2, 2, 4, 4]), backend.Zeros([2, 3], DType.F16));
        }
        var disposed = backends[0].From(values.AsSpan(0, 6), [2, 3]);
        disposed.Dispose();
        Add(disposed, Autograd.Gradients.TrackGradient(backends[0].From(values.AsSpan(0, 6), [2, 3])), new WrongOp(random.Next(36)),
            new WrongLayer(random.Next(3)), new WrongConfig(random.Next(6)));
    }

    private void AddModules(Backend backend, Random random)
    {
        var linear = new Linear(3, 4, bias: true);
        linear.Weight.Set(backend.Zeros([4, 3]).Keep());
        linear.Bias!.Set(backend.Zeros([4]).Keep());
        var norm = new RmsNorm(3, 1e-6f);
        norm.Weight.Set(backend.Zeros([3]).Keep());
        var table = new Embedding(5, 3);
        table.Weight.Set(backend.Zeros([5, 3]).Keep());
        var disposed = new Linear(3, 4);
        disposed.Dispose();
        linear.Weight.RequiresGrad = random.Next(2) == 0;
        Add(linear, norm, table, disposed, new Linear(3, 4), new LayerNorm(3, 1e-5f), new ModuleList(), new Parameter([2, 3]),
            linear.Weight,
            new AdamW([("w", linear.Weight)]));
    }

    private void AddModel(Backend backend, string directory, Random random)
    {
        var config = ConfigReader.Open(Path.Combine(directory, "config.json"));
        Add(config, ModelDirectory.Open(directory), WeightSource.OpenFile(Path.Combine(directory, "model.safetensors")));
        Add(ModelLoader.Declare(config));
        var model = ModelLoader.Load(directory, backend);
        Add(model);
        var peft = new PeftModel(random.Next(2) == 0 ? model : ModelLoader.Load(directory, backend));
        Add(peft, peft.Base);
        Try(() => peft.AddAdapter(new LoraConfig { Rank = 2, TargetModules = ModuleSelector.Matching("all-linear") }));
        Try(() => peft.AddAdapter(new LoraConfig { Rank = 2, TargetModules = ModuleSelector.Matching("all-linear") }, "a"));
        int[] ids = [1, 2, 3, 4, 5, 6];
        var examples = Enumerable.Range(0, 4).Select(_ => new Example(ids, ids)).ToList();
        var loader = new DataLoader(examples, new LoaderOptions { BatchSize = 2, PadId = 0 });
        var options = new TrainerOptions { MaxSteps = 2, OutputDirectory = random.Next(2) == 0 ? _paths[5] : null };
        Add(examples, loader, options, loader.Epoch().First(), new Generator(model, backend), new GenerationOptions { MaxNewTokens = 3 },
            new InputArrays { BatchSize = 2, Ids = ids }, new EncodeOptions { MaxSeqLength = 8 }, new LoraConfig { Rank = 2 });
        Try(() => Add(new Trainer(peft, options, loader)));
        Try(() => Add(new AdapterStep(peft, options)));
        Try(() => Add(new CachedDecoder(model, backend, 16)));
        Try(() => Add(model.ToInputs(new InputArrays { BatchSize = 2, Ids = ids })));
        Try(() => Add(model.ToTargets(ids.AsSpan(), 2)));
        Try(() => { peft.Save(_paths[^1]); Add(SavedAdapter.Load(_paths[^1])); });
    }

    // Not every family has every part.
    private static void Try(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (Judge.Fault(e) is null)
        {
        }
    }
}
