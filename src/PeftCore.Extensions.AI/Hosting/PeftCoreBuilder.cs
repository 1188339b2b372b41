using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using PeftCore.Extensions.AI.Hosting;

namespace PeftCore.Extensions.AI;

/// <summary>Adds to the model of <see cref="PeftCoreServiceCollectionExtensions.AddPeftCore(IServiceCollection,
/// Action{PeftCoreChatOptions})"/>: adapters, embeddings, training in the background.</summary>
public sealed class PeftCoreBuilder
{
    internal PeftCoreBuilder(IServiceCollection services) => Services = services;

    /// <summary>The services.</summary>
    public IServiceCollection Services { get; }

    /// <summary>Adds an adapter: requests choose it by its name as their model id, or take the <see cref="IChatClient"/> that is registered
    /// under its name as the key.</summary>
    /// <param name="name">The name.</param>
    /// <param name="directory">The adapter's directory.</param>
    public PeftCoreBuilder AddAdapter(string name, string directory)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentException.ThrowIfNullOrEmpty(directory);
        Services.Configure<PeftCoreChatOptions>(options => options.Adapters[name] = directory);
        Services.AddKeyedSingleton<IChatClient>(name, (services, _) => ServiceFactories.NewChatClient(services, name));
        return this;
    }

    /// <summary>Adds an embedding generator over the chat model itself.</summary>
    public PeftCoreBuilder AddEmbeddings()
    {
        Services.TryAddSingleton(services => ServiceFactories.NewEmbeddingGenerator(services,
            services.GetRequiredService<PeftCoreModel>(), options: null));
        Services.TryAddSingleton<IEmbeddingGenerator<string, Embedding<float>>>(
            services => services.GetRequiredService<PeftCoreEmbeddingGenerator>());
        return this;
    }

    /// <summary>Adds an embedding generator with a model of its own.</summary>
    /// <param name="configure">Sets at least the model directory.</param>
    public PeftCoreBuilder AddEmbeddings(Action<PeftCoreEmbeddingOptions> configure)
    {
        Services.AddPeftCoreEmbeddings(configure);
        return this;
    }

    /// <summary>Adds training in the background: a job put into <see cref="AdapterTrainingQueue"/> is trained, saved, and then serves under
    /// its name.</summary>
    /// <param name="configure">Sets at least the output directory.</param>
    public PeftCoreBuilder AddTraining(Action<PeftCoreTrainingOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        Services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<PeftCoreTrainingOptions>, TrainingOptionsValidator>());
        Services.AddOptions<PeftCoreTrainingOptions>().Configure(configure).ValidateOnStart();
        Services.TryAddSingleton(services =>
            new AdapterTrainingQueue(services.GetRequiredService<IOptions<PeftCoreTrainingOptions>>().Value.MaxQueuedJobs));
        Services.TryAddSingleton(services => new AdapterTrainingService(services.GetRequiredService<PeftCoreModel>(),
            services.GetRequiredService<AdapterTrainingQueue>(), services.GetRequiredService<IOptions<PeftCoreTrainingOptions>>(),
            services.GetService<ILoggerFactory>(), services.GetRequiredService<Instruments>()));
        Services.AddSingleton<IHostedService>(services => services.GetRequiredService<AdapterTrainingService>());
        return this;
    }
}
