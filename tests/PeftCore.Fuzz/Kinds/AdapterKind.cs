using System.Text;
using PeftCore.Backends;
using PeftCore.Fuzz.Engine;
using PeftCore.Fuzz.Inputs;
using PeftCore.Models;
using PeftCore.Peft;

namespace PeftCore.Fuzz.Kinds;

/// <summary>Adapters of every method, changed in their configuration or their tensors, loaded on a tiny base model.</summary>
internal sealed class AdapterKind : FuzzKind
{
    public override string Name => "adapter";

    public override int Share => 8;

    public override FuzzInput Make(FuzzRandom random)
    {
        var sample = random.Pick(AdapterSample.All).Copy();
        return random.OneOf(
            (8, () => Contradiction(random, sample)),
            (6, () => Field(random, sample)),
            (2, () => Doubled(random, sample)),
            (1, () => Input($"unchanged {sample.PeftType}", Expectation.Accept, sample, JsonEdits.Rewritten(random, sample.Config))),
            (2, () => DamagedConfig(random, sample)),
            (2, () => DamagedWeights(random, sample)));
    }

    public override FuzzSubject Open(string directory) => new Subject(directory);

    private static FuzzInput Input(string rule, Expectation expectation, AdapterSample sample, string config) =>
        new(rule, expectation, new FuzzFile(AdapterSample.ConfigName, config),
            new FuzzFile(AdapterSample.WeightsName, sample.Weights()))
        { Context = sample.Family };

    private static FuzzInput Contradiction(FuzzRandom random, AdapterSample sample)
    {
        var rule = random.Pick(AdapterContradictions.For(sample.PeftType));
        if (rule.Apply(random, sample) is not { } claim)
        {
            return Input($"unchanged {sample.PeftType}", Expectation.Accept, sample, sample.Config.ToString());
        }
        return Input($"{rule.Name} ({sample.PeftType})", claim.Expectation, sample,
            JsonEdits.Rewritten(random, sample.Config)) with
        { Names = claim.Names };
    }

    private static FuzzInput Field(FuzzRandom random, AdapterSample sample)
    {
        string key = random.Pick(sample.Config.Fields!).Key;
        if (random.OnceIn(6))
        {
            sample.Config.Remove(key);
            return Input($"{key} is missing ({sample.PeftType})", Expectation.Any, sample, JsonEdits.Rewritten(random, sample.Config));
        }
        sample.Config.Set(key, random.Pick(JsonEdits.Values));
        if (random.OnceIn(3))
        {
            sample.Config.Set(random.Pick(sample.Config.Fields!).Key, random.Pick(JsonEdits.Values));
        }
        return Input($"{key} has another value ({sample.PeftType})", Expectation.Any, sample, JsonEdits.Rewritten(random, sample.Config));
    }

    private static FuzzInput Doubled(FuzzRandom random, AdapterSample sample)
    {
        var (key, value) = random.Pick(sample.Config.Fields!);
        var other = JsonTree.Parse(random.Pick(JsonEdits.Values));
        JsonEdits.Double(random, sample.Config, key, other);
        return Input("a doubled field", JsonEdits.Same(value, other) ? Expectation.Any : Expectation.Refuse, sample,
            sample.Config.ToString());
    }

    private static FuzzInput DamagedConfig(FuzzRandom random, AdapterSample sample)
    {
        byte[] config = Damage.Apply(random, Encoding.UTF8.GetBytes(sample.Config.ToString(" ")));
        return new FuzzInput("damaged configuration", Expectation.Any, new FuzzFile(AdapterSample.ConfigName, config),
            new FuzzFile(AdapterSample.WeightsName, sample.Weights()))
        { Context = sample.Family };
    }

    private static FuzzInput DamagedWeights(FuzzRandom random, AdapterSample sample)
    {
        byte[] weights = sample.Weights();
        int header = 8 + (int)BitConverter.ToUInt64(weights);
        byte[] damaged = random.OnceIn(2) ? Damage.Apply(random, weights) : Joined(Damage.Apply(random, weights[8..header]),
            weights[header..]);
        return new FuzzInput("damaged weights", Expectation.Any, new FuzzFile(AdapterSample.ConfigName, sample.Config.ToString()),
            new FuzzFile(AdapterSample.WeightsName, damaged))
        { Context = sample.Family };
    }

    private static byte[] Joined(byte[] header, byte[] data) => [.. BitConverter.GetBytes((ulong)header.Length), .. header, .. data];

    private sealed class Subject : FuzzSubject
    {
        private const int BetweenChecks = 500;
        private readonly CpuBackend _backend = new(1);
        private readonly Dictionary<string, PeftModel> _models = [];
        private readonly Dictionary<string, float[][]> _bases = [];
        private readonly string _saved;
        private int _read;

        public Subject(string directory) : base(directory)
        {
            _saved = System.IO.Directory.CreateDirectory(Path.Combine(directory, "saved")).FullName;
            foreach (string family in new[] { "llama", "gpt2" })
            {
                _models[family] = new PeftModel(ModelLoader.Load(Fixture.PathOf("hf", family, "base"), _backend));
                _bases[family] = ValuesOf(_models[family]);
            }
        }

        public override Reading Read(FuzzInput input)
        {
            var model = _models[input.Context];
            long before = _backend.Memory.CurrentBytes;
            var warnings = new List<string>();
            string? difference = null;
            try
            {
                model.Load(Directory, warnings: warnings);
                difference = AdapterRoundTrip.Difference(model.ConfigOf(PeftModel.DefaultAdapter), input[AdapterSample.ConfigName],
                    warnings, _saved);
                model.Delete(PeftModel.DefaultAdapter);
            }
            finally
            {
                difference = _backend.Memory.CurrentBytes == before ? difference
                    : throw new InvalidOperationException($"{_backend.Memory.CurrentBytes - before} bytes stay behind in the model");
            }
            bool check = ++_read % BetweenChecks == 0;
            return new Reading(warnings, check && !Same(input.Context) ? "the base model has changed" : difference);
        }

        public override void Dispose()
        {
            foreach (var model in _models.Values)
            {
                model.Unload().Dispose();
            }
            _backend.Dispose();
        }

        private static float[][] ValuesOf(PeftModel model) =>
            [.. model.Base.NamedParameters().Select(p => p.Parameter.Value.ToArray<float>())];

        private bool Same(string family) =>
            ValuesOf(_models[family]).Zip(_bases[family]).All(pair => pair.First.AsSpan().SequenceEqual(pair.Second));
    }
}
