#:project ../../src/PeftCore/PeftCore.csproj

// # Lesson 14: a training step as a graph
//
//   dotnet run docs/lessons/14-graph.cs
//
// A step of training does the same thing each time: the same operations on the same shapes. Finding out what to do costs something: shapes
// are checked, tensors allocated, notes put on the tape. On a GPU a kernel can be shorter than the work of starting it. A *graph* does this
// once: record the kernel calls of one step with the addresses they use, then repeat the list (CUDA graphs, torch.cuda.CUDAGraph).
//
// The list is right only while nothing else changes. What varies from step to step must be read from a place that stays: the batch is
// copied into *static* tensors before each replay, and a replay may allocate nothing.

using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Tokenizers;
using PeftCore.Training;

// ## 1. A graph by hand
//
// Linear regression with one weight: y = w·x. Recording is a list of actions on fixed arrays.

float[] batch = [1, 2], goal = [3, 6], weight = [0], gradient = [0];
List<Action> graph = [];
Record(() => gradient[0] = 0);
for (int i = 0; i < batch.Length; i++)
{
    int at = i; // an address, fixed when the graph is recorded
    Record(() => gradient[0] += (weight[0] * batch[at] - goal[at]) * batch[at]);
}
Record(() => weight[0] -= 0.1f * gradient[0]);
Claim(graph.Count == 4 && weight[0] == 1.5f, "recording ran the step once: w = 0 + 0.1·(3·1 + 6·2) = 1.5");
for (int step = 0; step < 20; step++)
{
    (batch[0], goal[0]) = (step % 2 + 1, 3 * (step % 2 + 1)); // a new batch, copied to where the graph reads
    graph.ForEach(kernel => kernel());
}
Claim(Math.Abs(weight[0] - 3) < 1e-4, "replayed on new batches it finds w = 3");

// The trap: a batch in a new array is not seen. The graph still reads the old one.

float[] elsewhere = [100, 100];
float before = weight[0];
graph.ForEach(kernel => kernel());
Claim(weight[0] == before && elsewhere[0] == 100, "a batch that is not copied to the static place has no effect");

void Record(Action kernel)
{
    kernel();
    graph.Add(kernel);
}

// ## 2. In the library
//
// `AdapterStep` runs forward, backward and update. On a backend that captures graphs the first step of a shape runs eagerly, the second is
// captured, later ones are replayed. The results are the same to the bit, for the kernels and their order are.

var tokenizer = Tokenizer.FromDirectory(BaseModel);
int[] first = tokenizer.Encode("The captain said that there was no wind, and that they must wait until the evening.").Ids[..12];
int[] second = tokenizer.Encode("When he came to the house he found the door open, and nobody in the room at all.").Ids[..12];
int[] other = tokenizer.Encode("The old dog slept.").Ids;
var eager = Train(captures: false);
var captured = Train(captures: true);
Claim(eager.Losses.SequenceEqual(captured.Losses), $"{eager.Losses.Length} losses of replayed steps are those of eager ones, to the bit");
Claim(eager.Parameters.SequenceEqual(captured.Parameters), "and so are the parameters at the end");

// ## 3. What is saved
//
// The work around the kernels: here visible as memory that the garbage collector has to look after. An eager step makes tensors, nodes and
// lists; a replayed one makes nothing. (The first steps of a program may still run code that the compiler has not optimised yet, which
// allocates; so the steps are repeated until one makes nothing.)

Console.WriteLine($"bytes allocated on the managed heap: eager {(eager.Bytes > 10_000 ? "more than 10,000" : "few")} a "
    + $"step, replayed {captured.Bytes}");
Claim(eager.Bytes > 10_000 && captured.Bytes == 0, "a replayed step allocates 0 bytes");

// ## 4. One graph for each shape
//
// A batch of another length needs other addresses and loop bounds: its first step is eager again, and it gets a graph of its own. That is
// why lengths are padded to few different ones, and why losses with shapes that depend on data are hard to capture.

Claim(captured.OtherShape > 10_000, "the first step of another length allocates again: it runs eagerly");

(double[] Losses, float[] Parameters, long Bytes, long OtherShape) Train(bool captures)
{
    using var backend = new CpuBackend(threads: 1, captureGraphs: captures);
    var model = new PeftModel(ModelLoader.Load(BaseModel, backend, DType.F32));
    model.AddAdapter(new LoraConfig { Rank = 4, Alpha = 8 }, seed: 1);
    using var step = new AdapterStep(model, new TrainerOptions());
    IReadOnlyList<Batch>[] batches = [One(first), One(second), One(other)];
    double[] losses = new double[10];
    long fewest = long.MaxValue;
    for (int i = 0; i < losses.Length; i++)
    {
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        losses[i] = step.Run(batches[i % 2], 1e-3, i, (ulong)i).Loss;
        fewest = i < 6 ? fewest : Math.Min(fewest, GC.GetAllocatedBytesForCurrentThread() - allocated);
    }
    float[] parameters = [.. model.Parameters.SelectMany(p => p.Parameter.Value.ToFloats())];
    for (int i = 0; captures && fewest > 0 && i < 1000; i++)
    {
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        step.Run(batches[i % 2], 1e-3, losses.Length + i, (ulong)(losses.Length + i));
        fewest = Math.Min(fewest, GC.GetAllocatedBytesForCurrentThread() - allocated);
    }
    long start = GC.GetAllocatedBytesForCurrentThread();
    step.Run(batches[2], 1e-3, losses.Length, (ulong)losses.Length);
    long otherShape = GC.GetAllocatedBytesForCurrentThread() - start;
    model.Base.Dispose();
    return (losses, parameters, fewest, otherShape);
}

static IReadOnlyList<Batch> One(int[] ids) =>
    [.. new DataLoader([new Example(ids, ids)], new LoaderOptions { BatchSize = 1, PadId = 0 }).Epoch()];
