// The step of `peftcore bench step` in TorchSharp: BERT (sequence classification), T5 or ViT, random weights, LoRA, clipping, AdamW, F32.
//   TorchSharpPeer config.json --batch 4 --length 128 [--target-length 128] [--rank 8] [--threads 2] [--steps 10] [--warmup 2]
//   TorchSharpPeer vit-base.json --batch 4
//   TorchSharpPeer --check fixtures/hf/bert     compares the loss, and the losses of five steps, with Hugging Face PEFT's
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using TorchSharp;
using TorchSharpPeer;
using static TorchSharp.torch;

int threads = Number("--threads", 2);
set_num_threads(threads);
random.manual_seed(0);
if (args[0] == "--check")
{
    return Check(args[1]);
}
using var config = JsonDocument.Parse(File.ReadAllText(args[0]));
var weights = new Weights();
var peer = Create(config.RootElement, weights, Number("--rank", 8), ["q_proj", "v_proj"]);
int rows = Number("--batch", 1), length = Number("--length", 128), target = Number("--target-length", 128);
var batch = new PeerBatch(peer.Side > 0 ? randn([rows, 3, peer.Side, peer.Side]) : randint(peer.Vocabulary, [rows, length]),
    peer.Labels > 0 ? arange(rows, ScalarType.Int64) % peer.Labels : randint(peer.Vocabulary, [rows, target]));
var optimizer = optim.AdamW(weights.Trained, 1e-4, weight_decay: 0);
var times = new List<double>();
double first = 0, last = 0;
for (int i = -Number("--warmup", 2); i < Number("--steps", 10); i++)
{
    long start = Stopwatch.GetTimestamp();
    last = Step(peer, batch, weights, optimizer, 1);
    if (i >= 0)
    {
        times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
    }
    first = first == 0 ? last : first;
}
double median = times.Order().ElementAt(times.Count / 2);
long samples = peer.Side > 0 ? rows : rows * (length + (peer.Labels > 0 ? 0 : target));
string resident = File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmHWM", StringComparison.Ordinal));
long trained = weights.Trained.Sum(p => p.numel()), mebibytes = long.Parse(resident.Split(' ')[^2], CultureInfo.InvariantCulture) >> 10;
Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
    $"{1000 * samples / median:N1} {(peer.Side > 0 ? "pictures" : "tok")}/s, {median:0.0} ms a step (best {times.Min():0.0}), " +
    $"loss {first:0.0000} to {last:0.0000}, {trained:N0} trained, resident {mebibytes} MiB"));
return 0;

int Number(string name, int otherwise) =>
    Array.IndexOf(args, name) is var at and >= 0 ? int.Parse(args[at + 1], CultureInfo.InvariantCulture) : otherwise;

static IPeer Create(JsonElement config, Weights weights, int rank, IReadOnlyCollection<string> targets) =>
    config.GetProperty("model_type").GetString() switch
    {
        "bert" => new BertPeer(config, weights, rank),
        "t5" => new T5Peer(config, weights, rank),
        "vit" => new VitPeer(config, weights, rank, targets),
        var other => throw new NotSupportedException($"model_type {other}: bert, t5 and vit are written here"),
    };

static double Step(IPeer peer, PeerBatch batch, Weights weights, optim.Optimizer optimizer, double maxNorm)
{
    using var scope = NewDisposeScope();
    var loss = peer.Loss(batch);
    loss.backward();
    if (maxNorm > 0)
    {
        nn.utils.clip_grad_norm_(weights.Trained, maxNorm);
    }
    optimizer.step();
    optimizer.zero_grad();
    return loss.ToSingle();
}

static int Check(string directory)
{
    using var config = JsonDocument.Parse(File.ReadAllText(Path.Combine(directory, "base", "config.json")));
    using var adapter = JsonDocument.Parse(File.ReadAllText(Path.Combine(directory, "lora", "adapter_config.json")));
    var weights = new Weights(Path.Combine(directory, "base", "model.safetensors"),
        Path.Combine(directory, "lora", "adapter_model.safetensors"));
    string[] targets = [.. adapter.RootElement.GetProperty("target_modules").EnumerateArray().Select(name => name.GetString()!)];
    var peer = Create(config.RootElement, weights, adapter.RootElement.GetProperty("r").GetInt32(), targets);
    var expected = Weights.Read(Path.Combine(directory, "lora", "expected.safetensors"));
    var batch = peer.Side > 0 ? new PeerBatch(expected["in.pixel_values"], expected["in.labels"])
        : new PeerBatch(expected["in.input_ids"], expected["in.labels"],
            (1 - expected["in.attention_mask"].to(ScalarType.Float32)).unsqueeze(1).unsqueeze(1) * -1e9f);
    var optimizer = optim.AdamW(weights.Trained, 1e-2, weight_decay: 0.01);
    float[] losses = expected["adamw.losses"].data<float>().ToArray();
    double worst = 0;
    foreach (float reference in losses)
    {
        double loss = Step(peer, batch, weights, optimizer, 0);
        worst = Math.Max(worst, Math.Abs(loss - reference) / Math.Abs(reference));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"loss {loss:0.000000}, Hugging Face PEFT {reference:0.000000}"));
    }
    return worst < 1e-4 ? 0 : 1;
}
