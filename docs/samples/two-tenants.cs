#:sdk Microsoft.NET.Sdk.Web
#:property PublishAot=false
#:project ../../src/PeftCore/PeftCore.csproj

// A service with two tenants on one base model: POST /{tenant} answers with that tenant's adapter. Requests of both run at the same
// time, in one batch, each row with its own adapter; no tenant sees the other's answers.
//
//   dotnet run -c Release docs/samples/two-tenants.cs             trains two adapters, serves, sends 24 requests to itself, stops
//   dotnet run -c Release docs/samples/two-tenants.cs -- --serve  goes on serving until Ctrl-C

using System.Globalization;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tokenizers;
using PeftCore.Training;

const string Question = "Where shall we meet?\n";
// dotnet run starts a web program in the directory of its file.
const string BaseModel = "../../src/PeftCore.Cli/Demo/base-llama";
string directory = args.FirstOrDefault(arg => !arg.StartsWith('-')) ?? BaseModel;
var tenants = new Dictionary<string, string> { ["harbour"] = "At the north pier.", ["castle"] = "By the old tower." };

// 1. An adapter for each tenant, on one base.
using var backend = new CpuBackend();
var tokenizer = Tokenizer.FromDirectory(directory);
var model = new PeftModel(ModelLoader.Load(directory, backend));
foreach (var (tenant, answer) in tenants)
{
    model.AddAdapter(new LoraConfig { Rank = 8, Alpha = 16, TargetModules = ModuleSelector.Matching(ModuleSelector.AllLinear) }, tenant);
    var samples = new ExampleEncoder(tokenizer, new EncodeOptions { MaxSeqLength = 48, MaskPrompt = true })
        .Encode([DataRow.OfPrompt(Question, answer)]);
    new Trainer(model, new TrainerOptions { LearningRate = 5e-3, MaxSteps = 25 },
        new DataLoader(samples, new LoaderOptions { BatchSize = 1, PadId = tokenizer.PadId ?? 0 })).Run();
}

// 2. The service. The batcher has a thread of its own; requests join its batch and leave it between steps.
using var batcher = new ContinuousBatcher(model, tokenizer, maxRows: 8, maxQueue: 64, maxTokens: 128);
var builder = WebApplication.CreateSlimBuilder();
builder.WebHost.UseUrls("http://127.0.0.1:0"); // loopback, any free port
builder.Logging.ClearProviders();
await using var app = builder.Build();
app.MapPost("/{tenant}", async (string tenant, HttpRequest request, CancellationToken cancel) =>
{
    if (!tenants.ContainsKey(tenant))
    {
        return Results.Text($"there is no tenant {tenant}", statusCode: StatusCodes.Status404NotFound);
    }
    using var reader = new StreamReader(request.Body);
    string prompt = await reader.ReadToEndAsync(cancel);
    var result = await batcher.GenerateAsync(prompt, new GenerationOptions { MaxNewTokens = 12 }, adapter: tenant, cancel: cancel);
    return Results.Text(result.Text);
});
await app.StartAsync();
string address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
Console.WriteLine($"serving {string.Join(", ", tenants.Keys.Select(tenant => $"POST {address}/{tenant}"))}");
if (args.Contains("--serve"))
{
    await app.WaitForShutdownAsync();
    return;
}

// 3. Requests of both tenants at once, against the answer that each tenant's adapter gives alone.
var alone = tenants.Keys.ToDictionary(tenant => tenant,
    tenant => model.Generate(Question, tokenizer, new GenerationOptions { MaxNewTokens = 12 }, adapter: tenant).Text);
using var client = new HttpClient { BaseAddress = new Uri(address) };
var answers = await Task.WhenAll(Enumerable.Range(0, 24).Select(async i =>
{
    string tenant = i % 2 == 0 ? "harbour" : "castle";
    using var response = await client.PostAsync(tenant, new StringContent(Question));
    return (Tenant: tenant, Text: await response.EnsureSuccessStatusCode().Content.ReadAsStringAsync());
}));
foreach (var group in answers.GroupBy(answer => answer.Tenant))
{
    int same = group.Count(answer => answer.Text == alone[group.Key]);
    Console.WriteLine($"{group.Key}: {same.ToString(CultureInfo.InvariantCulture)} of {group.Count()} answers are those of its "
        + "adapter alone: " + alone[group.Key].Split('\n')[0]);
}
using var unknown = await client.PostAsync("island", new StringContent(Question));
Console.WriteLine($"island: {(int)unknown.StatusCode}, {await unknown.Content.ReadAsStringAsync()}");
await app.StopAsync();
